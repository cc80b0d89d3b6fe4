#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>

#include "start.h"

int hide_unified(struct failure *failure) {
    if (unshare(CLONE_NEWNS) < 0) return fail(failure, errno, "unshare the mount namespace");
    /* All other mounts keep their propagation; this one must not carry the umount to the host. */
    if (mount(NULL, "/sys/fs/cgroup", NULL, MS_PRIVATE, NULL) < 0) {
        return fail(failure, errno, "make /sys/fs/cgroup private");
    }
    if (umount2("/sys/fs/cgroup/unified", MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT) {
        return fail(failure, errno, "unmount /sys/fs/cgroup/unified");
    }
    return 0;
}
