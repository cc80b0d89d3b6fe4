#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/cleanup.h"
#include "launcher.h"

/* More than any build has; a larger number is a damaged file. */
enum { ENTRIES_MAX = 256 };

static int read_exactly(int fd, void *buffer, size_t size, uint64_t offset) {
    char *into = buffer;
    while (size > 0) {
        ssize_t count = pread(fd, into, size, (off_t)offset);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -1;
        if (count == 0) {
            errno = EIO;
            return -1;
        }
        into += count;
        size -= (size_t)count;
        offset += (uint64_t)count;
    }
    return 0;
}

static int open_self(struct payload *payload, struct failure *failure) {
    ssize_t length = readlink("/proc/self/exe", payload->path, sizeof payload->path - 1);
    if (length < 0) return fail(failure, errno, "find this program's own file (is /proc mounted?)");
    payload->path[length] = '\0';
    payload->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return payload->fd >= 0 ? 0 : fail(failure, errno, "open %s", payload->path);
}

static int check_entries(const struct payload *payload, uint64_t size, struct failure *failure) {
    for (size_t i = 0; i < payload->count; i++) {
        const struct payload_entry *entry = &payload->entries[i];
        if (entry->offset > size || entry->size > size - entry->offset ||
            memchr(entry->name, '\0', sizeof entry->name) == NULL || entry->name[0] == '/' ||
            strstr(entry->name, "..") != NULL) {
            return fail(failure, 0, "%s is damaged; install it again", payload->path);
        }
    }
    return 0;
}

/* The section headers end the launcher's own image. */
static int find_header(int fd, uint64_t *offset) {
    Elf64_Ehdr image;
    if (read_exactly(fd, &image, sizeof image, 0) < 0) return -1;
    uint64_t end = image.e_shoff + (uint64_t)image.e_shnum * image.e_shentsize;
    *offset = (end + PAYLOAD_HEADER_ALIGNMENT - 1) & ~(uint64_t)(PAYLOAD_HEADER_ALIGNMENT - 1);
    return 0;
}

static int read_header(struct payload *payload, struct payload_header *header, uint64_t *offset,
                       struct failure *failure) {
    struct stat status;
    if (fstat(payload->fd, &status) < 0) return fail(failure, errno, "stat %s", payload->path);
    if (find_header(payload->fd, offset) < 0 ||
        read_exactly(payload->fd, header, sizeof *header, *offset) < 0 ||
        memcmp(header->magic, PAYLOAD_MAGIC, sizeof header->magic) != 0 ||
        header->count > ENTRIES_MAX || header->file_size != (uint64_t)status.st_size) {
        return fail(failure, 0, "%s is incomplete (%lld bytes); install it again", payload->path,
                    (long long)status.st_size);
    }
    return 0;
}

int open_payload(struct payload *payload, struct failure *failure) {
    memset(payload, 0, sizeof *payload);
    payload->fd = -1;
    struct payload_header header;
    uint64_t offset;
    if (open_self(payload, failure) < 0 || read_header(payload, &header, &offset, failure) < 0) {
        return -1;
    }
    memcpy(payload->digest, header.digest, sizeof header.digest);
    payload->count = (size_t)header.count;
    payload->entries = calloc(payload->count, sizeof *payload->entries);
    if (payload->entries == NULL) return fail(failure, 0, "out of memory");
    if (read_exactly(payload->fd, payload->entries, payload->count * sizeof *payload->entries,
                     offset + sizeof header) < 0) {
        return fail(failure, errno, "read %s", payload->path);
    }
    return check_entries(payload, header.file_size, failure);
}

void close_payload(struct payload *payload) {
    if (payload->fd >= 0) close(payload->fd);
    free(payload->entries);
}

const struct payload_entry *find_entry(const struct payload *payload, enum payload_kind kind) {
    for (size_t i = 0; i < payload->count; i++) {
        if (payload->entries[i].kind == (uint32_t)kind) return &payload->entries[i];
    }
    return NULL;
}

int read_entry(const struct payload *payload, const struct payload_entry *entry, char **content,
               struct failure *failure) {
    *content = calloc(1, entry->size + 1);
    if (*content == NULL) return fail(failure, 0, "out of memory");
    if (read_exactly(payload->fd, *content, entry->size, entry->offset) == 0) return 0;
    return fail(failure, errno, "read %s", payload->path);
}
