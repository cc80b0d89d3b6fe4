#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "log_file.h"
#include "say.h"

enum { LOG_MODE = 0640 };

static int numbered(const char *path, int number, char into[PATH_MAX]) {
    int length = number == 0 ? snprintf(into, PATH_MAX, "%s", path)
                             : snprintf(into, PATH_MAX, "%s.%d", path, number);
    return length > 0 && length < PATH_MAX ? 0 : -1;
}

static bool is_at_path(const struct log_file *file) {
    struct stat ours, named;
    return fstat(file->fd, &ours) == 0 && lstat(file->path, &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

static void use(struct log_file *file, int fd) {
    close(file->fd);
    file->fd = fd;
    file->size = 0;
    file->retry_size = 0;
    file->torn = false;
}

static void keep_old(struct log_file *file, const char *doing) {
    say(SAY_WARNING, "%s log file %s: %s; the old one stays in use", doing, file->path,
        strerror(errno));
    file->retry_size = file->size + file->size_max;
}

/* A new file is renamed into place: a rename is what callers watch for, and readers never miss it. */
static int replace(struct log_file *file) {
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", file->path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_close_ int fd = open(temporary, flags, LOG_MODE);
    if (fd < 0) return -1;
    if (rename(temporary, file->path) < 0) {
        int error = errno;
        unlink(temporary);
        errno = error;
        return -1;
    }
    use(file, take_fd(&fd));
    return 0;
}

/* `.2` becomes `.3`, `.1` becomes `.2`, the file itself `.1`. */
static int rotate(struct log_file *file) {
    char from[PATH_MAX], to[PATH_MAX];
    for (int number = file->files_max; number > 0; number--) {
        if (numbered(file->path, number - 1, from) < 0 || numbered(file->path, number, to) < 0) {
            errno = ENAMETOOLONG;
            return -1;
        }
        if (rename(from, to) < 0 && errno != ENOENT) return -1;
    }
    return 0;
}

void renew_log_file(struct log_file *file) {
    /* After somebody else's rename there is nothing of ours to rotate. */
    if (file->rotate && is_at_path(file) && rotate(file) < 0) keep_old(file, "rotate");
    else if (replace(file) < 0) keep_old(file, "renew");
}

/*
 * Nobody has renamed the file: its content stays, or what somebody else has left of it. The same length
 * again is an event to watchers.
 */
static int touch(struct log_file *file) {
    struct stat status;
    if (fstat(file->fd, &status) < 0 || ftruncate(file->fd, status.st_size) < 0) return -1;
    file->size = status.st_size;
    return 0;
}

void reopen_log_file(struct log_file *file) {
    if (is_at_path(file) && file->rotate) {
        renew_log_file(file);
    } else if (is_at_path(file)) {
        if (touch(file) < 0) keep_old(file, "reopen");
    } else if (replace(file) < 0) {
        keep_old(file, "reopen");
    }
}

static bool is_below(const char *path, const char *directory) {
    size_t length = strlen(directory);
    while (length > 0 && directory[length - 1] == '/') length--;
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

int check_rotation(const char *path, const struct options *options, struct failure *failure) {
    struct stat status;
    if (strstr(path, "../") != NULL || (lstat(path, &status) == 0 && S_ISLNK(status.st_mode))) {
        return fail(failure, 0, "Log path %s cannot be rotated: it is a link or has `..`", path);
    }
    const struct words *allowed = &options->log_allowlist_dirs;
    for (size_t i = 0; i < allowed->count; i++) {
        if (is_below(path, allowed->items[i])) return 0;
    }
    return allowed->count == 0 ? 0 : fail(failure, 0, "Log path %s is in no allowed directory", path);
}
