#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "../base/cleanup.h"
#include "launcher.h"

static int make_parent(int directory, const char *name, struct failure *failure) {
    const char *slash = strrchr(name, '/');
    if (slash == NULL) return 0;
    char parent[PAYLOAD_NAME_SIZE];
    memcpy(parent, name, (size_t)(slash - name));
    parent[slash - name] = '\0';
    if (mkdirat(directory, parent, 0755) == 0 || errno == EEXIST) return 0;
    return fail(failure, errno, "create directory %s", parent);
}

static int copy_content(const struct payload *payload, const struct payload_entry *entry, int fd) {
    off_t offset = (off_t)entry->offset;
    uint64_t left = entry->size;
    while (left > 0) {
        ssize_t count = sendfile(fd, payload->fd, &offset, left);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -1;
        if (count == 0) {
            errno = EIO;
            return -1;
        }
        left -= (uint64_t)count;
    }
    return 0;
}

static int unpack_file(const struct payload *payload, const struct payload_entry *entry,
                       int directory, struct failure *failure) {
    _cleanup_close_ int fd =
        openat(directory, entry->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || copy_content(payload, entry, fd) < 0 || fchmod(fd, (mode_t)entry->mode) < 0) {
        return fail(failure, errno, "write %s", entry->name);
    }
    /* close() is where some file systems report a full disk. */
    if (close(take_fd(&fd)) < 0) return fail(failure, errno, "write %s", entry->name);
    return 0;
}

static int unpack_link(const struct payload *payload, const struct payload_entry *entry,
                       int directory, struct failure *failure) {
    _cleanup_free_ char *target = NULL;
    if (read_entry(payload, entry, &target, failure) < 0) return -1;
    if (symlinkat(target, directory, entry->name) == 0) return 0;
    return fail(failure, errno, "link %s", entry->name);
}

int unpack_into(const struct payload *payload, int directory, struct failure *failure) {
    for (size_t i = 0; i < payload->count; i++) {
        const struct payload_entry *entry = &payload->entries[i];
        if (entry->kind != PAYLOAD_FILE && entry->kind != PAYLOAD_LINK) continue;
        if (make_parent(directory, entry->name, failure) < 0) return -1;
        int result = entry->kind == PAYLOAD_FILE
                         ? unpack_file(payload, entry, directory, failure)
                         : unpack_link(payload, entry, directory, failure);
        if (result < 0) return -1;
    }
    return 0;
}

/* Page-aligned blocks, compared a word at a time: musl's memcmp goes byte by byte. */
static bool same_words(const uint64_t *one, const uint64_t *other, size_t size) {
    uint64_t difference = 0;
    for (size_t i = 0; i < (size + 7) / 8; i++) difference |= one[i] ^ other[i];
    return difference == 0;
}

/* Whatever lies behind the end of a file in its last mapped page is zero. */
static bool same_content(const struct payload *payload, const struct payload_entry *entry, int fd) {
    if (entry->size == 0) return true;
    size_t size = (size_t)entry->size;
    int flags = MAP_PRIVATE | MAP_POPULATE;
    void *theirs = mmap(NULL, size, PROT_READ, flags, fd, 0);
    void *ours = mmap(NULL, size, PROT_READ, flags, payload->fd, (off_t)entry->offset);
    bool same = theirs != MAP_FAILED && ours != MAP_FAILED && same_words(ours, theirs, size);
    if (theirs != MAP_FAILED) munmap(theirs, size);
    if (ours != MAP_FAILED) munmap(ours, size);
    return same;
}

static bool is_file_unpacked(const struct payload *payload, const struct payload_entry *entry,
                             int directory) {
    _cleanup_close_ int fd = openat(directory, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    return fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
           status.st_uid == geteuid() && (status.st_mode & 07777) == entry->mode &&
           (uint64_t)status.st_size == entry->size && same_content(payload, entry, fd);
}

static bool is_link_unpacked(const struct payload *payload, const struct payload_entry *entry,
                             int directory) {
    struct failure ignored;
    _cleanup_free_ char *target = NULL;
    char found[PAYLOAD_NAME_SIZE];
    if (read_entry(payload, entry, &target, &ignored) < 0) return false;
    ssize_t length = readlinkat(directory, entry->name, found, sizeof found);
    return length == (ssize_t)entry->size && memcmp(found, target, (size_t)length) == 0;
}

int is_unpacked(const struct payload *payload, int directory) {
    struct stat status;
    if (fstat(directory, &status) < 0 || status.st_uid != geteuid() ||
        (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return 0;
    }
    for (size_t i = 0; i < payload->count; i++) {
        const struct payload_entry *entry = &payload->entries[i];
        if (entry->kind == PAYLOAD_FILE && !is_file_unpacked(payload, entry, directory)) return 0;
        if (entry->kind == PAYLOAD_LINK && !is_link_unpacked(payload, entry, directory)) return 0;
    }
    return 1;
}
