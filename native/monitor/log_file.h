/* A log in the format of CRI: `STAMP stream TAG content`, TAG is F for a whole line, P for a piece. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/failure.h"
#include "options.h"
#include "stamp.h"

/* As attach packets name them. */
enum stream { STREAM_STDOUT = 2, STREAM_STDERR = 3 };

enum {
    /* What a pipe holds, unless it is made larger. */
    PIPE_SIZE = 65536,
    /* What one read brings at most. */
    READ_SIZE = 131072,
    /* Longer lines are logged in pieces; what log shippers expect of Docker and containerd. */
    PIECE_SIZE = 16384,
    /* Whoever formats lines may read and write this much past the end of a buffer. */
    BUFFER_SLACK = 64,
    LOG_BUFFER_SIZE = 262144,
};

struct log_file {
    const char *path; /* NULL: there is none */
    int fd;
    int64_t size;       /* bytes in the file */
    int64_t total;      /* bytes written in all */
    int64_t size_max;   /* 0: none */
    int64_t total_max;  /* 0: none */
    bool limited;       /* by either of them */
    int64_t retry_size; /* after a failed reopen: not again before this size */
    bool rotate;
    int files_max;
    bool torn; /* the last line is cut, because the disk was full */
    struct stamp stamp;
    size_t used;
    char *buffer; /* LOG_BUFFER_SIZE + BUFFER_SLACK */
};

int open_log_file(struct log_file *file, const char *path, const struct options *options,
                  struct failure *failure);
/*
 * Logs `data`: whole lines, and a piece if it does not end with a newline. BUFFER_SLACK bytes behind it
 * must be readable. Errors are not reported: a full disk must not stop the container.
 */
void write_log_file(struct log_file *file, enum stream stream, const char *data, size_t size);
/* log_reopen.c: follows a file that was renamed. On failure the old one stays in use. */
void reopen_log_file(struct log_file *file);
/* log_reopen.c: begins a new file at the size limit. */
void renew_log_file(struct log_file *file);
int check_rotation(const char *path, const struct options *options, struct failure *failure);
