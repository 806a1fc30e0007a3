import MQBytes

extension RemotingHeader {
    /// Reads the ROCKETMQ form:
    /// ```
    /// | code i16 | language u8 | version i16 | opaque i32 | flag i32 | remark length i32, remark |
    /// | ext fields length i32 | then: key length i16, key, value length i32, value | …
    /// ```
    /// Source: `RocketMQSerializable.java`, RocketMQ 5.3.
    mutating func decodeBinary(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(WireError) {
        var reader = WireReader(bytes.extracting(0..<range.upperBound))
        _ = try reader.range(range.lowerBound, "frame head")
        code = Int32(try reader.int16("code"))
        language = LanguageCode(rawValue: try reader.uint8("language")) ?? .other
        version = Int32(try reader.int16("version"))
        opaque = try reader.int32("opaque")
        flag = try reader.int32("flag")
        let remarkByteCount = Int(try reader.int32("remark length"))
        let remarkRange = try reader.range(remarkByteCount, "remark")
        remark = remarkRange.isEmpty ? nil : HeaderText(remarkRange, isEscaped: false)
        guard reader.remaining > 0 else { return }
        let extByteCount = Int(try reader.int32("ext fields length"))
        try reader.require(extByteCount, "ext fields")
        let end = reader.position + extByteCount
        while reader.position < end {
            try requireRoom()
            let key = try reader.range(Int(try reader.int16("ext field key length")), "ext field key")
            let value = try reader.range(Int(try reader.int32("ext field value length")), "ext field value")
            add(HeaderText(key, isEscaped: false), HeaderText(value, isEscaped: false), in: bytes)
        }
        guard reader.position == end else { throw .lengthOutOfRange("ext fields length", extByteCount) }
    }
}
