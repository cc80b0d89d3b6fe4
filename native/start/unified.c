#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>

#include "start.h"

#define UNIFIED "/sys/fs/cgroup/unified"

int hide_unified(struct failure *failure) {
    if (unshare(CLONE_NEWNS) < 0) return fail(failure, errno, "unshare the mount namespace");
    /* All other mounts keep their propagation; this one must not carry the umount to the host. */
    if (mount(NULL, "/sys/fs/cgroup", NULL, MS_PRIVATE, NULL) < 0) {
        return fail(failure, errno, "make /sys/fs/cgroup private");
    }
    if (umount2(UNIFIED, MNT_DETACH) < 0) {
        if (errno == EINVAL || errno == ENOENT) return 0; /* there is none */
        return fail(failure, errno, "unmount " UNIFIED);
    }
    /* crun makes directories below it all the same: they go with this namespace. */
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("tmpfs", UNIFIED, "tmpfs", flags, "mode=755,size=64k") < 0) {
        return fail(failure, errno, "mount a tmpfs on " UNIFIED);
    }
    return 0;
}
