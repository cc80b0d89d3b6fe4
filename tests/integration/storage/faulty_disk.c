/*
 * A disk that fails, for programs that are started with this library in LD_PRELOAD: from the chosen
 * change below a directory on, every further one fails.
 *
 *   faulty_disk_arm(root, from, mode)   counts changes from now on; the one numbered `from` is the first
 *                                       to fail (0: none does)
 *   faulty_disk_disarm()                the disk works again; returns the changes that were asked for
 *
 * Mode 0, the disk is full: what needs room fails with ENOSPC, but for the few changes that have room
 * when the store's reserve is removed. Mode 1, the program is dead: everything
 * fails with EIO, so that the disk stays as it would after kill -9.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
/* What the room of the reserve is enough for: to replace a file or two. */
#define RESERVED_CHANGES 8

static long first, count, reserved;
static int mode, armed;

void faulty_disk_arm(const char *directory, long from, int how) {
    snprintf(root, sizeof root, "%s", directory);
    first = from;
    mode = how;
    reserved = 0;
    __atomic_store_n(&count, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&armed, 1, __ATOMIC_SEQ_CST);
}

long faulty_disk_disarm(void) {
    __atomic_store_n(&armed, 0, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&count, __ATOMIC_SEQ_CST);
}

static int below_root(const char *path) {
    size_t length = strlen(root);
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = '\0';
}

/* Whether a change has to fail; sets errno. */
static int fails(int fd, const char *path, int needs_room) {
    char directory[PATH_MAX];
    if (!__atomic_load_n(&armed, __ATOMIC_SEQ_CST)) return 0;
    if (path == NULL || path[0] != '/') {
        if (fd < 0) return 0;
        path_of(fd, directory);
        path = directory;
    }
    if (!below_root(path)) return 0;
    if (mode == 0 && !needs_room) return 0;
    long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (first == 0 || number < first) return 0;
    if (mode == 0 && __atomic_sub_fetch(&reserved, 1, __ATOMIC_SEQ_CST) >= 0) return 0;
    errno = mode == 0 ? ENOSPC : EIO;
    return 1;
}

static void removed(const char *path) {
    const char *name = strrchr(path, '/');
    if (name != NULL && strcmp(name, "/.crid-reserve") == 0)
        __atomic_store_n(&reserved, RESERVED_CHANGES, __ATOMIC_SEQ_CST);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int mkdir(const char *path, mode_t bits) {
    return fails(-1, path, 1) ? -1 : REAL(mkdir)(path, bits);
}
int mkdirat(int fd, const char *path, mode_t bits) {
    return fails(fd, path, 1) ? -1 : REAL(mkdirat)(fd, path, bits);
}
int symlink(const char *target, const char *path) {
    return fails(-1, path, 1) ? -1 : REAL(symlink)(target, path);
}
int link(const char *from, const char *path) {
    return fails(-1, path, 1) ? -1 : REAL(link)(from, path);
}
int linkat(int a, const char *from, int b, const char *path, int flags) {
    return fails(b, path, 1) ? -1 : REAL(linkat)(a, from, b, path, flags);
}
int rename(const char *from, const char *path) {
    return fails(-1, path, 0) ? -1 : REAL(rename)(from, path);
}
int unlink(const char *path) {
    if (fails(-1, path, 0)) return -1;
    removed(path);
    return REAL(unlink)(path);
}
int unlinkat(int fd, const char *path, int flags) {
    if (fails(fd, path, 0)) return -1;
    removed(path);
    return REAL(unlinkat)(fd, path, flags);
}
int rmdir(const char *path) {
    return fails(-1, path, 0) ? -1 : REAL(rmdir)(path);
}
int chmod(const char *path, mode_t bits) {
    return fails(-1, path, 0) ? -1 : REAL(chmod)(path, bits);
}
int chown(const char *path, uid_t uid, gid_t gid) {
    return fails(-1, path, 0) ? -1 : REAL(chown)(path, uid, gid);
}
ssize_t write(int fd, const void *bytes, size_t length) {
    return fails(fd, NULL, 1) ? -1 : REAL(write)(fd, bytes, length);
}
ssize_t writev(int fd, const struct iovec *parts, int parts_count) {
    return fails(fd, NULL, 1) ? -1 : REAL(writev)(fd, parts, parts_count);
}
int fdatasync(int fd) {
    return fails(fd, NULL, 1) ? -1 : REAL(fdatasync)(fd);
}

#define OPEN(name, before, pass, at)                                                             \
    int name(before const char *path, int flags, ...) {                                          \
        mode_t bits = 0;                                                                         \
        if (flags & O_CREAT) {                                                                   \
            va_list rest;                                                                        \
            va_start(rest, flags);                                                               \
            bits = va_arg(rest, mode_t);                                                         \
            va_end(rest);                                                                        \
        }                                                                                        \
        if ((flags & (O_CREAT | O_TRUNC)) && fails(at, path, 1)) return -1;                      \
        return REAL(name)(pass path, flags, bits);                                               \
    }
#define FD_BEFORE int fd,
#define FD_PASS fd,
#define NOTHING
OPEN(open, NOTHING, NOTHING, -1)
OPEN(open64, NOTHING, NOTHING, -1)
OPEN(openat, FD_BEFORE, FD_PASS, fd)
OPEN(openat64, FD_BEFORE, FD_PASS, fd)
