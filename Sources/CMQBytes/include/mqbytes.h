// What Swift cannot say of vectors: which of sixteen bytes are wanted, as the bits of a number.
#ifndef MQBYTES_H
#define MQBYTES_H
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>

static inline __m128i mq_load16(const uint8_t *bytes) { return _mm_loadu_si128((const __m128i *)bytes); }
static inline uint32_t mq_marks16(__m128i found) { return (uint32_t)_mm_movemask_epi8(found); }

/// Bit i is set where `bytes[i]` is `byte`.
static inline uint32_t mq_equal16(const uint8_t *bytes, uint8_t byte) {
    return mq_marks16(_mm_cmpeq_epi8(mq_load16(bytes), _mm_set1_epi8((char)byte)));
}
/// Bit i is set where `bytes[i]` is `left` or `right`.
static inline uint32_t mq_either16(const uint8_t *bytes, uint8_t left, uint8_t right) {
    __m128i sixteen = mq_load16(bytes);
    return mq_marks16(_mm_or_si128(
        _mm_cmpeq_epi8(sixteen, _mm_set1_epi8((char)left)), _mm_cmpeq_epi8(sixteen, _mm_set1_epi8((char)right))));
}
/// Bit i is set where `bytes[i]` is at most `last`.
static inline uint32_t mq_at_most16(const uint8_t *bytes, uint8_t last) {
    __m128i sixteen = mq_load16(bytes);
    return mq_marks16(_mm_cmpeq_epi8(_mm_min_epu8(sixteen, _mm_set1_epi8((char)last)), sixteen));
}
/// As mq_equal16; copies the sixteen bytes to `target` on the way.
static inline uint32_t mq_copy_equal16(const uint8_t *bytes, uint8_t *target, uint8_t byte) {
    __m128i sixteen = mq_load16(bytes);
    _mm_storeu_si128((__m128i *)target, sixteen);
    return mq_marks16(_mm_cmpeq_epi8(sixteen, _mm_set1_epi8((char)byte)));
}
/// Java's hash of sixteen bytes below 128 behind `hash`: hash·31^16 + bytes[0]·31^15 + … + bytes[15].
static inline uint32_t mq_java_hash16(const uint8_t *bytes, uint32_t hash) {
    __m128i sixteen = mq_load16(bytes), zero = _mm_setzero_si128();
    __m128i weights = _mm_set_epi16(1, 31, 961, 29791, 1, 31, 961, 29791);
    __m128 front = _mm_castsi128_ps(_mm_madd_epi16(_mm_unpacklo_epi8(sixteen, zero), weights));
    __m128 back = _mm_castsi128_ps(_mm_madd_epi16(_mm_unpackhi_epi8(sixteen, zero), weights));
    __m128i fours = _mm_add_epi32(
        _mm_castps_si128(_mm_shuffle_ps(front, back, 0x88)), _mm_castps_si128(_mm_shuffle_ps(front, back, 0xDD)));
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(fours), high = (uint64_t)_mm_cvtsi128_si64(_mm_srli_si128(fours, 8));
    return hash * 0x50A9DE01u + (uint32_t)low * 0xEE830681u + (uint32_t)(low >> 32) * 0x94446F01u
        + (uint32_t)high * 923521u + (uint32_t)(high >> 32);
}
/// Where `bytes` differ from `known` although they must not: where `open` is 0, or where they are neither a letter, digit or
/// sign nor the same. `"`, `\`, blanks, control characters and everything from 128 on are no signs.
static inline __m128i mq_strangers16(const uint8_t *bytes, const uint8_t *known, const uint8_t *open) {
    __m128i sixteen = mq_load16(bytes);
    __m128i plain = _mm_andnot_si128(
        _mm_cmpeq_epi8(sixteen, _mm_set1_epi8(0x5C)), _mm_cmpgt_epi8(sixteen, _mm_set1_epi8(0x22)));
    __m128i allowed =
        _mm_or_si128(_mm_cmpeq_epi8(sixteen, mq_load16(known)), _mm_and_si128(plain, mq_load16(open)));
    return _mm_cmpeq_epi8(allowed, _mm_setzero_si128());
}
/// Whether `count` bytes, at least sixteen, are those of `known`, but for letters, digits and signs where `open` is 0xFF.
static inline int mq_resembles(const uint8_t *bytes, const uint8_t *known, const uint8_t *open, uint64_t count) {
    uint64_t last = count - 16;
    __m128i strangers = mq_strangers16(bytes + last, known + last, open + last);
    for (uint64_t at = 0; at < last; at += 16)
        strangers = _mm_or_si128(strangers, mq_strangers16(bytes + at, known + at, open + at));
    return mq_marks16(strangers) == 0;
}

#else  // compilers make vectors of these where they can

#include <string.h>

static inline uint32_t mq_equal16(const uint8_t *bytes, uint8_t byte) {
    uint32_t marks = 0;
    for (int i = 0; i < 16; i++) marks |= (uint32_t)(bytes[i] == byte) << i;
    return marks;
}
static inline uint32_t mq_either16(const uint8_t *bytes, uint8_t left, uint8_t right) {
    return mq_equal16(bytes, left) | mq_equal16(bytes, right);
}
static inline uint32_t mq_at_most16(const uint8_t *bytes, uint8_t last) {
    uint32_t marks = 0;
    for (int i = 0; i < 16; i++) marks |= (uint32_t)(bytes[i] <= last) << i;
    return marks;
}
static inline uint32_t mq_copy_equal16(const uint8_t *bytes, uint8_t *target, uint8_t byte) {
    uint32_t marks = mq_equal16(bytes, byte);
    memcpy(target, bytes, 16);
    return marks;
}
static inline uint32_t mq_java_hash16(const uint8_t *bytes, uint32_t hash) {
    for (int i = 0; i < 16; i++) hash = hash * 31 + bytes[i];
    return hash;
}
static inline int mq_resembles(const uint8_t *bytes, const uint8_t *known, const uint8_t *open, uint64_t count) {
    int strangers = 0;
    for (uint64_t at = 0; at < count; at++) {
        int plain = bytes[at] > 0x22 && bytes[at] < 0x80 && bytes[at] != 0x5C;
        strangers |= bytes[at] != known[at] && !(plain && open[at]);
    }
    return strangers == 0;
}

#endif
#endif
