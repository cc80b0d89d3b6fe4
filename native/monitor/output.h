/* What the container writes: read, logged, and passed to attach clients. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_file.h"
#include "loop.h"

enum { OUTPUT_BUFFER_SIZE = PIECE_SIZE + READ_SIZE + BUFFER_SLACK };

struct output {
    struct source source;
    enum stream stream;
    bool overheard;     /* the runtime may be speaking: its last words are remembered */
    bool kept_back;     /* and not passed on, unless they are more than an error would be */
    bool wide;          /* its pipe was made larger */
    size_t held;        /* bytes in `buffer` that are not logged yet */
    int64_t held_until; /* ms; then an unfinished line is logged as a piece */
    char *buffer;       /* OUTPUT_BUFFER_SIZE */
};

/* Watches `fd`, which becomes non-blocking. */
int watch_output(struct monitor *monitor, struct output *output, int fd);
/* The runtime has ended well: what it was silent about is the container's. */
void release_output(struct monitor *monitor, struct output *output);
/* Reads what is there without waiting, up to the size of a pipe. */
void drain_output(struct monitor *monitor, struct output *output);
/* Logs an unfinished line. */
void finish_line(struct monitor *monitor, struct output *output);
/* Parks or takes up reading, for clients that do not keep up. */
void pause_outputs(struct monitor *monitor);
void resume_outputs(struct monitor *monitor);
