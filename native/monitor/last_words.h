/* The beginning and the end of what a runtime says on stderr: errors stand at either. */
#pragma once

#include <stddef.h>

enum { FIRST_SIZE = 768, LAST_SIZE = 2304 };

struct last_words {
    size_t seen; /* bytes in all */
    char first[FIRST_SIZE];
    char last[LAST_SIZE]; /* a ring of what came after `first` */
};

void hear(struct last_words *words, const char *data, size_t size);
/* What was kept, with a mark where something is left out; returns its size. */
size_t recall(const struct last_words *words, char into[FIRST_SIZE + LAST_SIZE + 64]);
