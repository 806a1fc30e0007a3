import Testing

@testable import MQStore

/// Goal: work that is done on several threads comes back in order, and the first failure ends it.
@Suite struct SideBySideTests {
    @Test(arguments: [0, 1, 63, 64, 65, 1000])
    func `results come in the order of the items`(count: Int) throws {
        let found = try SideBySide.map(Array(0..<count)) { number throws(StoreOpenError) in number * 2 }
        #expect(found == (0..<count).map { $0 * 2 })
    }

    @Test func `an item that fails is named`() throws {
        #expect {
            _ = try SideBySide.map(Array(0..<1000)) { number throws(StoreOpenError) in
                if number == 500 { throw .missingFile(path: "file \(number)") }
                return number
            }
        } throws: { error in
            "\(error)".contains("file 500 is missing")
        }
    }
}
