/* Container output to the systemd journal, in its native protocol. */
#pragma once

#include <stddef.h>

#include "../base/failure.h"
#include "log_file.h"

struct journal {
    int fd; /* -1: not in use */
    const struct options *options;
};

int open_journal(struct journal *journal, const struct options *options, struct failure *failure);
/* As write_log_file: whole lines and a last piece. */
void write_journal(const struct journal *journal, enum stream stream, const char *data, size_t size);
