/* Out-of-memory kills in the container's cgroup, on both versions; each leaves a file `oom`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

struct oom {
    struct source source; /* v1: eventfd; v2: inotify */
    bool unified;
    char *directory; /* of the cgroup, NULL: not known */
    uint64_t seen;        /* v2: kills counted so far */
    size_t above;         /* v2: length of the pod's part of `directory`, 0: not known */
    uint64_t seen_above;  /* v2: kills counted there before the container ran */
};

/* Watches the cgroup of the container's process. What cannot be watched is a warning. */
void watch_oom(struct monitor *monitor);
/* Looks once more: the end of the process may be noticed before the event. */
void check_oom(struct monitor *monitor);
