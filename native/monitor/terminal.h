/* The container's terminal: the runtime sends its fd over a socket. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../base/failure.h"
#include "loop.h"

struct output;

struct terminal {
    struct source listener;
    struct source connection;
    char path[100];   /* of the socket; empty: not made or removed */
    int fd;           /* the master, -1 until it came */
    int slave;        /* held open, so that the master has no end while nobody else has it open */
    bool sized;
    unsigned short height, width; /* asked for before the terminal was there */
    int64_t retry_at;             /* ms; 0: not waiting for an opener */
};

int open_console_socket(struct monitor *monitor, struct failure *failure);
void close_console_socket(struct monitor *monitor);
void set_terminal_size(struct monitor *monitor, unsigned short height, unsigned short width);
/* After a failed read: true when it is the terminal's and somebody may open it again. */
bool wait_for_opener(struct monitor *monitor, struct output *output);
/* The time to look again has come. */
void retry_terminal(struct monitor *monitor);
