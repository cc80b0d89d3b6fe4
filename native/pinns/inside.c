#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../base/cleanup.h"
#include "pinns.h"

static int set_sysctl(const char *setting, struct failure *failure) {
    const char *equals = strchr(setting, '=');
    if (equals == NULL || equals == setting) {
        return fail(failure, 0, "sysctl `%s` is not KEY=VALUE", setting);
    }
    const char *value = equals + 1;
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "/proc/sys/%.*s", (int)(equals - setting), setting);
    if (length < 0 || length >= PATH_MAX) return fail(failure, ENAMETOOLONG, "sysctl %s", setting);
    for (char *dot = path + strlen("/proc/sys/"); *dot != '\0'; dot++) {
        if (*dot == '.') *dot = '/';
    }
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail(failure, errno, "set sysctl `%s`: open %s", setting, path);
    size_t size = strlen(value);
    if (write(fd, value, size) != (ssize_t)size) {
        return fail(failure, errno, "set sysctl `%s`", setting);
    }
    return 0;
}

static int bring_up_loopback(struct failure *failure) {
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo"};
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
        return fail(failure, errno, "look at the loopback interface");
    }
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0) {
        return fail(failure, errno, "bring the loopback interface up");
    }
    return 0;
}

int set_up_inside(const struct pin_request *request, struct failure *failure) {
    if (request->loopback && request->want[NS_NET] == NS_NEW && bring_up_loopback(failure) < 0) {
        return -1;
    }
    for (size_t i = 0; i < request->sysctl_count; i++) {
        if (set_sysctl(request->sysctls[i], failure) < 0) return -1;
    }
    return 0;
}
