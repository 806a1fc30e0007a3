import Foundation
import MQBase
import MQBytes
import Testing

/// Goal: base64 as Java writes and reads it. Method: Foundation's codec, and texts that are none.
@Suite struct Base64Tests {
    @Test func `both alphabets go both ways for every length, as Foundation has it`() {
        var random = SeededRandom(seed: 3)
        for count in 0..<100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let wanted = Data(bytes).base64EncodedString()
            let text = Base64.standard.encode(bytes.span)
            #expect(String(decoding: text, as: UTF8.self) == wanted)
            let url = Base64.url.encode(bytes.span)
            let other = wanted.replacing("+", with: "-").replacing("/", with: "_")
            #expect(String(decoding: url, as: UTF8.self) == other)
            let bare = Array(url.prefix { $0 != UInt8(ascii: "=") })
            #expect(Base64.standard.decode(text.span) == bytes && Base64.url.decode(url.span) == bytes)
            #expect(Base64.url.decode(bare.span) == bytes)
        }
    }

    @Test(arguments: ["a b", "!", "a", "====", "aa===", "-w==", "aaa=a"])
    func `other text is refused`(text: String) { #expect(Base64.standard.decode(Array(text.utf8).span) == nil) }
}
