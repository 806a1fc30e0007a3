import MQBytes
import MQCrypto
import MQProtocol

/// Who the client is to brokers and name servers with access control: an account's name and secret, as in `plain_acl.yml`
/// or `mqadmin createUser`. Requests are signed with the secret, which does not travel.
public struct Credentials: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    /// The account.
    public var accessKey: String
    /// Its secret.
    public var secretKey: String
    /// What a service that gives out secrets for a while wants to see with them; travels as it is.
    public var securityToken: String?

    /// An account.
    public init(accessKey: String, secretKey: String, securityToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.securityToken = securityToken
    }

    /// Without the secret: descriptions end up in logs.
    public var description: String { "Credentials(\(accessKey))" }

    /// As ``description``.
    public var customMirror: Mirror { Mirror(self, children: ["accessKey": accessKey]) }

    /// Signs `request`, whose body and fields must not change afterwards; number and flags may.
    ///
    /// Source: `AclClientRPCHook.java`, `AclUtils.combineRequestContent`, `AclSigner.java`, RocketMQ 5.3.3.
    func sign(_ request: inout RemotingCommand) {
        request["AccessKey"] = accessKey
        if let securityToken { request["SecurityToken"] = securityToken }
        request["Signature"] = nil
        request["Signature"] = signature(of: request)
    }

    /// HMAC-SHA1 over the fields' values, by their names' order, and the body; Base64.
    func signature(of request: RemotingCommand) -> String {
        var content = ByteBuffer()
        for field in request.fields.sorted(by: { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }) {
            content.append(utf8: field.value)
        }
        content.append(request.body)
        return Base64.standard.encode(Digest.hmacSHA1(key: Array(secretKey.utf8), content.span).span).span.toString()
    }
}

extension ClientOptions {
    /// `request` as the peers want it.
    func signed(_ request: RemotingCommand) -> RemotingCommand {
        guard let credentials else { return request }
        var request = request
        credentials.sign(&request)
        return request
    }
}
