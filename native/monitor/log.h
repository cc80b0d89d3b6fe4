/* Where container output is kept: any of a file and the journal, or nowhere. */
#pragma once

#include "journal.h"
#include "log_file.h"

struct log {
    struct log_file file;
    struct journal journal;
    bool passthrough; /* the container has the monitor's own streams */
};

int open_log(struct log *log, const struct options *options, struct failure *failure);
void write_log(struct log *log, enum stream stream, const char *data, size_t size);
void reopen_log(struct log *log);
/* Waits until the log is on the disk. */
void sync_log(const struct log *log);
