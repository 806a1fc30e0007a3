// What stands in this module's API and lives in others: who imports `RocketMQClient` needs to import nothing else. Name by name,
// so that the rest of those modules stays out of sight.

@_exported public import struct MQBase.Timestamp
@_exported public import enum MQCompression.CompressionCodec
@_exported public import struct MQMessage.MessageHost
@_exported public import struct MQProtocol.BrokerData
@_exported public import enum MQProtocol.ConsumeFromWhere
@_exported public import enum MQProtocol.MessageModel
@_exported public import struct MQProtocol.MessageQueue
@_exported public import struct MQProtocol.QueueData
@_exported public import struct MQProtocol.RemotingCommand
@_exported public import struct MQProtocol.RequestCode
@_exported public import struct MQProtocol.ResponseCode
@_exported public import struct MQProtocol.SubscriptionData
@_exported public import struct MQProtocol.TopicRouteData
@_exported public import enum MQRemoting.RemotingError
@_exported public import struct MQTLS.TLSOptions
