/* Finds newlines 16 bytes at a time: log lines are short, and memchr starts over for each. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* Copies in steps of 16 bytes and may write 15 more than asked; inlined, unlike memcpy. */
static inline void copy_short(char *into, const char *from, size_t size) {
    for (size_t i = 0; i < size; i += 16) __builtin_memcpy(into + i, from + i, 16);
}
