#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../base/cleanup.h"
#include "pinns.h"

static int pin_path(const struct pin_request *request, enum namespace_kind kind,
                    char path[PATH_MAX], struct failure *failure) {
    int length = snprintf(path, PATH_MAX, "%s/%sns/%s", request->directory,
                          namespace_types[kind].name, request->filename);
    if (length < 0 || length >= PATH_MAX) {
        return fail(failure, ENAMETOOLONG, "pin below %s", request->directory);
    }
    return 0;
}

static int make_directory(const char *path, struct failure *failure) {
    if (mkdir(path, 0755) == 0 || errno == EEXIST) return 0;
    return fail(failure, errno, "create %s", path);
}

/* Detaches whatever is mounted on `path`, however deep it is stacked. */
static int unmount_all(const char *path, struct failure *failure) {
    while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR) return 0;
    return fail(failure, errno, "unmount %s", path);
}

/*
 * A mount namespace can only be bound where the bind is not propagated back into it, so its
 * directory is an unbindable mount of its own.
 */
static int make_unbindable(const char *directory, struct failure *failure) {
    if (mount(NULL, directory, NULL, MS_UNBINDABLE, NULL) == 0) return 0;
    if (errno != EINVAL) return fail(failure, errno, "make %s unbindable", directory);
    if (mount(directory, directory, NULL, MS_BIND, NULL) < 0) {
        return fail(failure, errno, "bind %s to itself", directory);
    }
    if (mount(NULL, directory, NULL, MS_UNBINDABLE, NULL) < 0) {
        return fail(failure, errno, "make %s unbindable", directory);
    }
    return 0;
}

static int make_kind_directory(const struct pin_request *request, enum namespace_kind kind,
                               struct failure *failure) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%sns", request->directory,
                          namespace_types[kind].name);
    if (length < 0 || length >= PATH_MAX) {
        return fail(failure, ENAMETOOLONG, "create directories below %s", request->directory);
    }
    if (make_directory(path, failure) < 0) return -1;
    return kind == NS_MNT ? make_unbindable(path, failure) : 0;
}

/* `*made` tells whether the file is ours; the caller may have made (and chowned) it before. */
static int make_target(const char *path, bool *made, struct failure *failure) {
    _cleanup_close_ int fd =
        open(path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);
    *made = fd >= 0;
    if (fd >= 0 || errno == EEXIST) return 0;
    return fail(failure, errno, "create %s", path);
}

static int bind_namespace(const char *path, enum namespace_kind kind, pid_t pid,
                          struct failure *failure) {
    const char *name = namespace_types[kind].name;
    char source[64];
    if (pid == 0) snprintf(source, sizeof source, "/proc/self/ns/%s", name);
    else snprintf(source, sizeof source, "/proc/%d/ns/%s", (int)pid, name);
    if (mount(source, path, NULL, MS_BIND, NULL) < 0) {
        return fail(failure, errno, "pin the %s namespace at %s", name, path);
    }
    return 0;
}

static int pin_one(const struct pin_request *request, enum namespace_kind kind, pid_t pid,
                   bool *made, struct failure *failure) {
    char path[PATH_MAX];
    if (pin_path(request, kind, path, failure) < 0 ||
        make_kind_directory(request, kind, failure) < 0 ||
        /* A name that is taken is replaced: a second bind would hide the first for ever. */
        unmount_all(path, failure) < 0 || make_target(path, made, failure) < 0) {
        return -1;
    }
    if (bind_namespace(path, kind, pid, failure) == 0) return 0;
    if (*made) unlink(path);
    return -1;
}

static void take_back(const struct pin_request *request, enum namespace_kind kind, bool made) {
    struct failure ignored;
    char path[PATH_MAX];
    if (pin_path(request, kind, path, &ignored) < 0) return;
    unmount_all(path, &ignored);
    if (made) unlink(path);
}

int pin_namespaces(const struct pin_request *request, pid_t pid, struct failure *failure) {
    bool made[NS_COUNT] = {false};
    if (make_directory(request->directory, failure) < 0) return -1;
    for (int kind = 0; kind < NS_COUNT; kind++) {
        if (request->want[kind] == NS_UNWANTED) continue;
        if (pin_one(request, (enum namespace_kind)kind, pid, &made[kind], failure) == 0) continue;
        while (--kind >= 0) {
            if (request->want[kind] != NS_UNWANTED) {
                take_back(request, (enum namespace_kind)kind, made[kind]);
            }
        }
        return -1;
    }
    return 0;
}

static int unpin_one(const struct pin_request *request, enum namespace_kind kind,
                     struct failure *failure) {
    char path[PATH_MAX];
    if (pin_path(request, kind, path, failure) < 0 || unmount_all(path, failure) < 0) return -1;
    if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR) return 0;
    return fail(failure, errno, "remove %s", path);
}

int unpin_namespaces(const struct pin_request *request, struct failure *failure) {
    bool all = true;
    for (int kind = 0; kind < NS_COUNT; kind++) all &= request->want[kind] == NS_UNWANTED;
    int result = 0;
    struct failure later;
    for (int kind = 0; kind < NS_COUNT; kind++) {
        if (!all && request->want[kind] == NS_UNWANTED) continue;
        /* One that cannot be removed must not keep the others; the first failure is reported. */
        struct failure *report = result == 0 ? failure : &later;
        if (unpin_one(request, (enum namespace_kind)kind, report) < 0) result = -1;
    }
    return result;
}
