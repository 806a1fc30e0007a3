import RocketMQClient

let producer = try Producer(group: "quickstart-producers")
try await producer.withRunning { producer in
    for number in 1...10 {
        let message = Message(topic: "Quickstart", body: Array("Hello \(number)".utf8))
        print(try await producer.send(message))
    }
}
