#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>

#include "../base/cleanup.h"
#include "launcher.h"

bool join_mount_namespace(void) {
    const char *path = getenv(MOUNT_NAMESPACE);
    if (path == NULL || path[0] == '\0') return false;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && setns(fd, CLONE_NEWNS) == 0;
}
