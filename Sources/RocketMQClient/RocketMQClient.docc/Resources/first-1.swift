import RocketMQClient

let producer = try Producer(group: "quickstart-producers")
