/* Lines from a FIFO that anybody may write to: a bad or endless line spoils only itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../base/failure.h"
#include "loop.h"

struct fifo {
    struct source source;
    void (*line)(struct monitor *monitor, const char *line);
    size_t used;
    bool skipping; /* the rest of a line that was too long */
    char text[128];
};

/* Makes the FIFO anew and opens it, parked. The monitor is a writer too, so it never ends. */
int make_fifo(struct fifo *fifo, const char *directory, const char *name,
              void (*line)(struct monitor *, const char *), struct failure *failure);
