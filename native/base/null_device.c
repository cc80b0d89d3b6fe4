#include "null_device.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"

/* From linux/mount.h, which musl-gcc does not see. */
enum { FSOPEN_CLOEXEC = 1, FSMOUNT_CLOEXEC = 1, FSCONFIG_CMD_CREATE = 6 };

/* Shown by /proc/PID/fd as if it were where everybody expects it. */
#define DIRECTORY "dev"
#define DEVICE DIRECTORY "/null"

static int make_file_system(void) {
    _cleanup_close_ int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (context < 0) return -1;
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) return -1;
    return (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
}

static int open_own(void) {
    _cleanup_close_ int root = make_file_system();
    if (root < 0 || mkdirat(root, DIRECTORY, 0755) < 0) return -1;
    if (mknodat(root, DEVICE, S_IFCHR | 0666, makedev(1, 3)) < 0) return -1;
    /* Whatever the umask is. */
    if (fchmodat(root, DEVICE, 0666, 0) < 0) return -1;
    return openat(root, DEVICE, O_RDWR | O_CLOEXEC | O_NOCTTY);
}

int open_null_device(void) {
    int fd = open_own();
    return fd >= 0 ? fd : open("/dev/null", O_RDWR | O_CLOEXEC);
}

int take_null_input(void) {
    _cleanup_close_ int null = open_null_device();
    return null < 0 ? -1 : dup2(null, STDIN_FILENO);
}
