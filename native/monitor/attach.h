/*
 * The attach socket: SOCK_SEQPACKET, to clients packets of one byte for the stream and up to 8192 of
 * output, from clients raw input. A client that is slow slows the container down, as it must, or it
 * would lose output; one that takes nothing for STALL_MS is dropped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/failure.h"
#include "log_file.h"
#include "loop.h"

/* Output that some client has not taken yet. */
struct chunk {
    struct chunk *next;
    size_t waiting; /* clients that still need it */
    size_t size;
    uint8_t stream;
    char data[];
};

struct client {
    struct source source;
    struct client *next;
    struct chunk *chunk; /* the first that it needs, NULL: it is up to date */
    size_t offset;       /* within it */
    int64_t progress_at; /* ms: when it last took something */
    bool input_ended;
    bool deaf; /* takes no more output; what it has sent is still wanted */
};

struct attach {
    struct source listener;
    struct client *clients;
    size_t count;
    struct chunk *first;
    struct chunk *last;
    size_t queued;    /* bytes in chunks */
    bool paused;      /* the container is not read until clients have caught up */
    int64_t check_at; /* ms, while paused: when to look for stalled clients */
    int spare_fd;     /* given up to accept, and close, a client for whom there is no fd */
    bool linked;      /* from the socket directory */
};

int open_attach(struct monitor *monitor, struct failure *failure);
void send_to_clients(struct monitor *monitor, enum stream stream, const char *data, size_t size);
/* Waits for input of clients exactly while the container can take it. */
void update_clients(struct monitor *monitor);
/* Looks for clients that stall, and frees those that are gone. Called after every turn of the loop. */
void tend_clients(struct monitor *monitor);
/* The container has ended: clients get the rest, for as long as they take it. */
void finish_clients(struct monitor *monitor);
void remove_attach(struct monitor *monitor);
