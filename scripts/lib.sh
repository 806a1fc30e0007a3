# Shared by the scripts of this folder (bash; sourced, never run).
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# The release build, in one place. Static standard library: one file to copy, ready in milliseconds. Exclusivity checks
# stay in debug and test builds; they double the cost of a frame loop.
release_flags=(
    -c release
    --static-swift-stdlib
    -Xswiftc -enforce-exclusivity=unchecked
    -Xswiftc -cross-module-optimization
)

# The executables of a distribution, as Package.swift names its products.
products=(mqnamesrv mqbroker mqadmin mqexample mqstore apus)

# Python with Apache's C++ remoting client, for Tests/InteropTests.
remoting_venv=$root/.build/venv-remoting

say() { printf '%s\n' "$*"; }

# One plain sentence, then out.
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Swift where it is usually unpacked, when it is not on the PATH.
find_swift() {
    command -v swift >/dev/null && return
    local folder
    for folder in /opt/swift/usr/bin /usr/local/swift/usr/bin "${HOME:-/root}/.local/share/swiftly/bin"; do
        if [ -x "$folder/swift" ]; then
            PATH=$folder:$PATH
            return
        fi
    done
    fail "no swift found on the PATH: install Swift 6.3 from https://www.swift.org/install/linux/ and run this again."
}

# The release build of everything, or of what the arguments say (for example --product mqbroker).
build_release() {
    find_swift
    swift build "${release_flags[@]}" "$@"
}

# A port P such that P-2, P and P+1 are free on every address: what a broker takes (fast, main, high availability).
# Below the range from which the kernel takes ports for outgoing connections.
free_port() {
    python3 - <<'PYTHON'
import random, socket, sys
for _ in range(1000):
    port = random.randrange(12000, 32000)
    try:
        for near in (port - 2, port, port + 1):
            with socket.socket() as s:
                s.bind(("0.0.0.0", near))
    except OSError:
        continue
    print(port)
    sys.exit(0)
sys.exit("no free port found")
PYTHON
}
