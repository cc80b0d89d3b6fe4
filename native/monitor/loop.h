/* The event loop: file descriptors that have an owner, and one deadline. */
#pragma once

#include <stdint.h>

struct monitor;

/* Something that the loop waits for. It is part of its owner; the loop only points to it. */
struct source {
    int fd; /* -1: not open */
    uint32_t events; /* what is waited for, 0 while parked */
    void (*ready)(struct monitor *monitor, struct source *source, uint32_t events);
};

int open_loop(void);
int watch(int loop, struct source *source, uint32_t events);
/* Changes what is waited for. 0 parks the source: not even its end is reported. */
void rewatch(int loop, struct source *source, uint32_t events);
/* Stops waiting for it and closes it. */
void drop(int loop, struct source *source);
/* Waits up to `timeout` ms (-1: for ever) and serves what is ready. Returns how many were. */
int serve_once(int loop, struct monitor *monitor, int timeout);
