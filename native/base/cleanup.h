/* Scope guards: whatever a function opens or allocates is released when it returns, by any path. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

static inline void close_fd_in(int *fd) {
    if (*fd >= 0) close(*fd);
}

static inline void free_pointer_in(void *pointer) {
    free(*(void **)pointer);
}

#define _cleanup_close_ __attribute__((cleanup(close_fd_in)))
#define _cleanup_free_ __attribute__((cleanup(free_pointer_in)))

/* Takes a guarded fd out of its guard, to hand it to the caller. */
static inline int take_fd(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}
