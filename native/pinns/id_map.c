#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../base/cleanup.h"
#include "pinns.h"

/* The kernel takes a map in one write of less than a page. */
enum { MAP_SIZE = 4096 };

/* `0-100000-65536@65536-0-1` becomes one line of three numbers for each part. */
static int format_map(const char *mapping, char map[MAP_SIZE], size_t *length,
                      struct failure *failure) {
    *length = strlen(mapping);
    if (*length + 1 >= MAP_SIZE) return fail(failure, E2BIG, "id mapping");
    if (*length == 0 || strspn(mapping, "0123456789-@") != *length) {
        return fail(failure, 0, "id mapping `%s` is not CONTAINER-HOST-SIZE[@...]", mapping);
    }
    for (size_t i = 0; i < *length; i++) {
        map[i] = mapping[i] == '-' ? ' ' : mapping[i] == '@' ? '\n' : mapping[i];
    }
    map[(*length)++] = '\n';
    return 0;
}

static int write_map(const char *file, const char *mapping, pid_t pid, struct failure *failure) {
    char map[MAP_SIZE];
    size_t length;
    if (format_map(mapping, map, &length, failure) < 0) return -1;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, map, length) != (ssize_t)length) {
        return fail(failure, errno, "write the mapping `%s` to %s", mapping, path);
    }
    return 0;
}

int write_id_maps(const struct pin_request *request, pid_t pid, struct failure *failure) {
    if (write_map("gid_map", request->gid_mapping, pid, failure) < 0) return -1;
    return write_map("uid_map", request->uid_mapping, pid, failure);
}
