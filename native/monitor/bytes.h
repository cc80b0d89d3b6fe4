/*
 * Finds newlines and copies lines, many bytes at a time: lines are short, memchr and memcpy start over
 * for each.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>

/* One bit for each of the 16 bytes that is a newline. */
static inline uint32_t newlines_in_16(const char *data) {
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)data);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8('\n')));
}
#else
static inline uint32_t newlines_in_16(const char *data) {
    uint32_t bits = 0;
    for (int i = 0; i < 16; i++) bits |= (uint32_t)(data[i] == '\n') << i;
    return bits;
}
#endif

/* The same for 64 bytes. */
static inline uint64_t newlines_in_64(const char *data) {
    return (uint64_t)newlines_in_16(data) | (uint64_t)newlines_in_16(data + 16) << 16 |
           (uint64_t)newlines_in_16(data + 32) << 32 | (uint64_t)newlines_in_16(data + 48) << 48;
}

/* memcpy that may read and write 63 bytes more than asked; musl's takes twice as long. */
static inline void copy_fast(char *into, const char *from, size_t size) {
    for (size_t i = 0; i < size; i += 64) __builtin_memcpy(into + i, from + i, 64);
}
