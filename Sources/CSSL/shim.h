// OpenSSL 3, and as functions what of it is macros, which Swift does not see.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static inline void mq_ssl_at_least_1_2(SSL_CTX *context) { SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION); }

// Memory is given back while a connection is silent; a write may go on from another place of the same bytes.
static inline void mq_ssl_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
}

static inline int mq_ssl_set_server_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }

static inline long mq_bio_pending(BIO *bio) { return (long)BIO_pending(bio); }

// A certificate for whoever has none yet: ECDSA P-256, for "localhost" and 127.0.0.1, valid for ten years. 1: done.
static inline int mq_ssl_use_self_signed(SSL_CTX *context) {
    int done = 0;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    if (key && certificate && names) {
        X509_NAME *name = X509_get_subject_name(certificate);
        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 10L * 365 * 86400);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"apus", -1, -1, 0);
        X509_set_issuer_name(certificate, name);
        X509_set_pubkey(certificate, key);
        X509_add_ext(certificate, names, -1);
        done = X509_sign(certificate, key, EVP_sha256()) > 0 && SSL_CTX_use_certificate(context, certificate) == 1 &&
               SSL_CTX_use_PrivateKey(context, key) == 1;
    }
    X509_EXTENSION_free(names);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return done;
}

// The password of a key that is encrypted; `text` is a zero-terminated string.
static inline int mq_ssl_password(char *buffer, int size, int writing, void *text) {
    (void)writing;
    int length = text ? (int)strlen((const char *)text) : 0;
    if (length > size) return 0;
    memcpy(buffer, text, (size_t)length);
    return length;
}

static inline int mq_ssl_use_key(SSL_CTX *context, const char *path, const char *password) {
    BIO *file = BIO_new_file(path, "r");
    if (!file) return 0;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, mq_ssl_password, (void *)password);
    BIO_free(file);
    if (!key) return 0;
    int done = SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    return done;
}
