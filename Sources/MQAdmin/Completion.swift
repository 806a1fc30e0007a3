/// Scripts that complete commands and options in a shell: `mqadmin completion bash|zsh`. Pure.
struct Completion {
    let commands: [Command]

    /// For `source <(mqadmin completion bash)`.
    var bash: String {
        let cases = commands.map { "        \($0.name)) words=\"\(options(of: $0).joined(separator: " "))\" ;;" }
        return """
            _mqadmin() {
                local current=${COMP_WORDS[COMP_CWORD]} words
                if [ "$COMP_CWORD" -eq 1 ]; then
                    words="help completion \(commands.map(\.name).joined(separator: " "))"
                elif [ "${COMP_WORDS[1]}" = help ]; then
                    words="\(commands.map(\.name).joined(separator: " "))"
                else
                    case ${COMP_WORDS[1]} in
                    completion) words="bash zsh" ;;
            \(cases.joined(separator: "\n"))
                    esac
                fi
                COMPREPLY=($(compgen -W "$words" -- "$current"))
            }
            complete -o default -F _mqadmin mqadmin

            """
    }

    /// For a file `_mqadmin` in a folder of `fpath`, or `source <(mqadmin completion zsh)`.
    var zsh: String {
        let names = commands.map { "        '\($0.name):\(quoted($0.summary))'" }
        let cases = commands.map { command in
            let specs = command.allOptions.flatMap { option in
                let value = option.takesValue ? ":\(option.long):" : ""
                let spellings = option.isLongOnly ? ["--\(option.long)"] : ["-\(option.short)", "--\(option.long)"]
                return spellings.map { "'\($0)[\(quoted(option.help))]\(value)'" }
            }
            return "        \(command.name)) _arguments \(specs.joined(separator: " ")) ;;"
        }
        return """
            #compdef mqadmin
            _mqadmin() {
                local -a commands=(
            \(names.joined(separator: "\n"))
                )
                if (( CURRENT == 2 )); then
                    _describe command commands
                elif [[ $words[2] == help ]]; then
                    _describe command commands
                elif [[ $words[2] == completion ]]; then
                    compadd bash zsh
                else
                    local command=$words[2]
                    shift words
                    (( CURRENT-- ))
                    case $command in
            \(cases.joined(separator: "\n"))
                    esac
                fi
            }
            compdef _mqadmin mqadmin

            """
    }

    private func options(of command: Command) -> [String] {
        command.allOptions.flatMap { $0.isLongOnly ? ["--\($0.long)"] : ["-\($0.short)", "--\($0.long)"] }
    }

    /// Without what means something in a quoted text of a shell, or in an option's description.
    private func quoted(_ text: String) -> String {
        String(text.map { "'[]:\\`$\"".contains($0) ? " " : $0 })
    }
}
