/* What attach clients send to the container. One packet is under way at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"

struct input {
    struct source source; /* fd -1: the container takes no input, or no more */
    char *packet;         /* what is not written yet, or NULL */
    size_t size;
    size_t done;
    bool close_after;
};

/* Takes over `fd`, which becomes non-blocking. */
void open_input(struct monitor *monitor, int fd);
/* True while a packet is under way; clients are not read meanwhile. */
bool input_is_busy(const struct input *input);
/* Takes over `packet`. */
void write_input(struct monitor *monitor, char *packet, size_t size);
/* A client has ended its input, and with it, where so wanted, the container's. */
void end_input(struct monitor *monitor);
