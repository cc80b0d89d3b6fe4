#include "self.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"

#define OOM_SCORE "/proc/self/oom_score_adj"
enum { OOM_SCORE_NEVER = -1000 };

void hold_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* The lowest that is free is this one. */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) return;
    }
}

void wait_for_start(int fd) {
    char buffer[128];
    while (read(fd, buffer, sizeof buffer) < 0 && errno == EINTR) continue;
}

void set_oom_score(int score) {
    _cleanup_close_ int fd = open(OOM_SCORE, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) dprintf(fd, "%d", score);
}

int protect_from_oom(void) {
    char text[16] = "0";
    _cleanup_close_ int fd = open(OOM_SCORE, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (size > 0) text[size] = '\0';
    /* Without CAP_SYS_RESOURCE it stays as it is. */
    set_oom_score(OOM_SCORE_NEVER);
    return atoi(text);
}

int write_file(const char *path, const char *text, struct failure *failure) {
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= PATH_MAX) {
        return fail(failure, ENAMETOOLONG, "Failed to write %s", path);
    }
    _cleanup_close_ int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) return fail(failure, errno, "Failed to create %s", temporary);
    if (write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, 0644) == 0 &&
        rename(temporary, path) == 0) {
        return 0;
    }
    int error = errno;
    unlink(temporary);
    return fail(failure, error, "Failed to write %s", path);
}

static int write_pid(const char *path, pid_t pid, struct failure *failure) {
    if (path == NULL) return 0;
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    return write_file(path, text, failure);
}

int detach(const char *pidfile, struct failure *failure) {
    pid_t pid = fork();
    if (pid < 0) return fail(failure, errno, "Failed to fork the monitor");
    if (pid == 0) return 0;
    if (write_pid(pidfile, pid, failure) == 0) _exit(0);
    dprintf(2, "[conmon:e]: %s\n", failure->text);
    _exit(1);
}

int settle(enum streams_kept streams, struct failure *failure) {
    if (streams == STREAMS_CLOSED) {
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) {
            return fail(failure, errno, "Failed to open /dev/null");
        }
    }
    setsid(); /* fails only for the leader of a group, with --sync */
    /* Whatever the runtime leaves behind becomes our child, above all the container. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        return fail(failure, errno, "Failed to become a subreaper");
    }
    return 0;
}
