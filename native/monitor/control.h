/* The FIFOs `ctl` (resize, reopen the log) and `winsz` (resize, once there is a terminal). */
#pragma once

#include "../base/failure.h"
#include "fifo.h"

struct control {
    struct fifo ctl;
    struct fifo winsz;
};

int open_control(struct monitor *monitor, struct failure *failure);
/* The terminal is there: sizes written to `winsz` are read from now on. */
void watch_window_size(struct monitor *monitor);
void remove_control(struct monitor *monitor);
