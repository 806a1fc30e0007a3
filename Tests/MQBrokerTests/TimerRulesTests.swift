import MQBase
import MQBytes
import MQConfig
import MQMessage
import MQProtocol
import MQRemoting
import MQStore
import Testing

@testable import MQBroker

/// When a message is to be delivered, and the handle by which it can be taken back: pure.
@Suite struct TimerRulesTests {
    private let now: Int64 = 1_795_240_568_966

    private func settings(_ keys: [String: String] = [:]) throws -> TimerSettings {
        var values = ConfigValues(.broker, on: ConfigMachine(home: "/tmp"))
        for (key, value) in keys { try values.set(key, to: value) }
        return TimerSettings(values)
    }

    private func out(
        _ properties: String, _ keys: [String: String] = [:], dice: Int = 0, waiting: Int64? = nil
    ) throws -> Result<Int64?, Refusal> {
        let text = Array(properties.utf8)
        let rules = TimerRules(settings: try settings(keys))
        do throws(Refusal) {
            let wish = SendProperties(text.span).timer
            return .success(try rules.out(wish, text.span, now: now, dice: dice) { _ in waiting })
        } catch {
            return .failure(error)
        }
    }

    @Test(arguments: [
        ("TIMER_DELAY_SEC\u{1}1\u{2}", 1_795_240_569_000), ("TIMER_DELAY_MS\u{1}1500\u{2}", 1_795_240_570_000),
        ("TIMER_DELIVER_MS\u{1}1795326968966\u{2}", 1_795_326_968_000),
        ("TIMER_DELIVER_MS\u{1}1795326968000\u{2}", 1_795_326_967_000),
        ("TIMER_DELIVER_MS\u{1}1\u{2}TIMER_DELAY_MS\u{1}2000\u{2}", 1_795_240_570_000),
        ("TIMER_DELAY_MS\u{1}2000\u{2}TIMER_DELAY_SEC\u{1}10\u{2}", 1_795_240_578_000),
    ])
    func `the slot is Java's`(properties: String, slot: Int64) throws {
        #expect(try out(properties).get() == slot)
    }

    @Test(arguments: [
        "TIMER_DELIVER_MS\u{1}1795240568966", "TIMER_DELIVER_MS\u{1}0", "TIMER_DELAY_MS\u{1}0",
        "TIMER_DELAY_SEC\u{1}-5",
    ])
    func `a time that has come is none`(properties: String) throws { #expect(try out(properties).get() == nil) }

    @Test(arguments: [
        "TIMER_DELAY_SEC\u{1}259201", "TIMER_DELAY_SEC\u{1}x", "TIMER_DELAY_MS\u{1}", "TIMER_DELAY_MS\u{1}1.5",
        "TIMER_DELAY_SEC\u{1}9223372036854775807", "TIMER_DELAY_MS\u{1}9223372036854775807",
        "TIMER_DELIVER_MS\u{1}99999999999999999999", "TIMER_DELIVER_MS\u{1}9223372036854775807",
        "TIMER_DELIVER_MS\u{1}5\u{2}TIMER_DEL_UNIQKEY\u{1}t+k",
    ])
    func `a time that cannot be is refused in Java's words`(properties: String) throws {
        let refusal = try out(properties)
        #expect(
            throws: Refusal(
                .messageIllegal,
                "timer message illegal, the delay time should not be bigger than the max delay 259200000ms; "
                    + "or if set del msg, the delay time should be bigger than the current time")
        ) { try refusal.get() }
    }

    @Test func `a broker without a timer says so`() throws {
        let refusal = try out("TIMER_DELAY_MS\u{1}2000", ["timerWheelEnable": "false"])
        #expect(
            throws: Refusal(
                .systemError, "accurate timer message is not enabled, timerWheelEnable is false")
        ) { try refusal.get() }
    }

    @Test func `a slot that fills up is refused at random, a full one always`() throws {
        let keys = ["timerCongestNumEachSlot": "100"]
        func isRefused(_ waiting: Int64, _ dice: Int) throws -> Bool {
            switch try out("TIMER_DELAY_MS\u{1}2000", keys, dice: dice, waiting: waiting) {
            case .success: false
            case .failure(let refusal): refusal.code == .systemError && refusal.remark.contains("max num limit is 200")
            }
        }
        #expect(try !isRefused(100, 0))
        #expect(try isRefused(150, 499) && !isRefused(150, 500))
        #expect(try isRefused(200, 999))
    }

    @Test func `a message that was timed once is not timed again`() {
        let text = Array("TIMER_OUT_MS\u{1}5\u{2}TIMER_DELAY_SEC\u{1}5\u{2}".utf8)
        let wish = SendProperties(text.span).timer
        #expect(!wish.isTimed && wish.seconds != nil)
    }

    @Test func `a handle is Java's base64 and reads back`() throws {
        let text = RecallHandle.text(
            topic: Array("topic".utf8), brokerName: Array("broker".utf8), out: 1_234_566_999,
            uniqueKey: Array("7F00".utf8).span)
        #expect(String(decoding: text, as: UTF8.self) == "djEgdG9waWMgYnJva2VyIDEyMzQ1NjcwMDAgN0YwMA==")
        let handle = try #require(RecallHandle(String(decoding: text, as: UTF8.self)))
        #expect(handle.topic == "topic" && handle.brokerName == "broker")
        #expect(handle.time == "1234567000" && handle.uniqueKey == "7F00")
    }

    @Test(arguments: ["", "!", "djE", "djI=", "djIgdG9waWMgYnJva2VyIDEgayBr", "djEgdG9waWM=", "====", "a"])
    func `other text is no handle`(text: String) { #expect(RecallHandle(text) == nil) }

    @Test func `a rate is over the last seconds and fades`() {
        var rate = TimerRate()
        let start: Int64 = 1_000_000
        for second in 0..<30 { rate.add(50, now: start + Int64(second) * 1000) }
        #expect(Double(rate.text(now: start + 30_000)).map { $0 > 40 && $0 < 60 } == true)
        #expect(rate.text(now: start + 100_000) == "0.0")
    }
}
