#include "last_words.h"

#include <stdio.h>
#include <string.h>

void hear(struct last_words *words, const char *data, size_t size) {
    if (words->seen < FIRST_SIZE) {
        size_t count = FIRST_SIZE - words->seen < size ? FIRST_SIZE - words->seen : size;
        memcpy(words->first + words->seen, data, count);
        words->seen += count;
        data += count;
        size -= count;
    }
    while (size > 0) {
        size_t at = (words->seen - FIRST_SIZE) % LAST_SIZE;
        size_t count = LAST_SIZE - at < size ? LAST_SIZE - at : size;
        memcpy(words->last + at, data, count);
        words->seen += count;
        data += count;
        size -= count;
    }
}

size_t recall(const struct last_words *words, char into[FIRST_SIZE + LAST_SIZE + 64]) {
    size_t first = words->seen < FIRST_SIZE ? words->seen : FIRST_SIZE;
    memcpy(into, words->first, first);
    size_t later = words->seen - first;
    if (later <= LAST_SIZE) {
        memcpy(into + first, words->last, later);
        return first + later;
    }
    size_t lost = later - LAST_SIZE;
    size_t used = first + (size_t)sprintf(into + first, "\n[%zu bytes left out]\n", lost);
    size_t oldest = later % LAST_SIZE;
    memcpy(into + used, words->last + oldest, LAST_SIZE - oldest);
    memcpy(into + used + LAST_SIZE - oldest, words->last, oldest);
    return used + LAST_SIZE;
}
