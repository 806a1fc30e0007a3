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

#endif
#endif
