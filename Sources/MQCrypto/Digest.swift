import CCrypto

/// Message digests.
public enum Digest {
    /// The 16 bytes of MD5. For placing things, never for keeping secrets.
    public static func md5(_ bytes: Span<UInt8>) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var byteCount: UInt32 = 0
        // SAFETY: input and output outlive the call; the output has room for the longest digest there is.
        let result = unsafe bytes.withUnsafeBufferPointer { input in
            unsafe digest.withUnsafeMutableBufferPointer { output in
                unsafe EVP_Digest(input.baseAddress, input.count, output.baseAddress, &byteCount, EVP_md5(), nil)
            }
        }
        precondition(result == 1, "EVP_Digest: \(result)")
        return Array(digest[..<Int(byteCount)])
    }

    /// The 20 bytes of HMAC-SHA1.
    public static func hmacSHA1(key: [UInt8], _ bytes: Span<UInt8>) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var byteCount: UInt32 = 0
        // SAFETY: key, input and output outlive the call; the output has room for the longest digest there is.
        let isDone = unsafe bytes.withUnsafeBufferPointer { input in
            unsafe key.withUnsafeBufferPointer { key in
                unsafe digest.withUnsafeMutableBufferPointer { output in
                    unsafe HMAC(
                        EVP_sha1(), key.baseAddress, Int32(key.count), input.baseAddress, input.count,
                        output.baseAddress, &byteCount) != nil
                }
            }
        }
        precondition(isDone, "HMAC failed")
        return Array(digest[..<Int(byteCount)])
    }

    /// Base64 with padding, without line ends.
    public static func base64(_ bytes: [UInt8]) -> String {
        // EVP_EncodeBlock ends its text with a zero byte.
        var text = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
        // SAFETY: the text has room for four digits for each three bytes and the zero.
        let byteCount = unsafe bytes.withUnsafeBufferPointer { input in
            unsafe text.withUnsafeMutableBufferPointer { output in
                unsafe EVP_EncodeBlock(output.baseAddress, input.baseAddress, Int32(input.count))
            }
        }
        precondition(Int(byteCount) == text.count - 1, "EVP_EncodeBlock: \(byteCount)")
        return String(decoding: text.dropLast(), as: UTF8.self)
    }
}
