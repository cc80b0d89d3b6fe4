#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "start.h"

static void move(const char *cgroup, pid_t pid) {
    char path[4096], text[32];
    snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
    int length = snprintf(text, sizeof text, "%d", pid);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    /* Gone already, cgroup or process: nothing to move. */
    if (fd >= 0 && write(fd, text, (size_t)length) < 0) return;
}

void join_cgroup(const char *cgroup, pid_t pid) {
    /* The parent first: what it forks from now on is born in the cgroup. */
    move(cgroup, pid);
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t size = read(fd, text, sizeof text - 1);
    if (size <= 0) return;
    text[size] = '\0';
    char *rest;
    for (char *at = strtok_r(text, " ", &rest); at != NULL; at = strtok_r(NULL, " ", &rest)) {
        long child = strtol(at, NULL, 10);
        if (child > 0) join_cgroup(cgroup, (pid_t)child);
    }
}
