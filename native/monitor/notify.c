#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "monitor.h"

enum { DATAGRAM_MAX = 4096 };

/* The rest (MAINPID, FDSTORE …) names things of the container's world that mean others outside. */
static bool is_passed(const char *line, size_t length) {
    static const char *const whole[] = {"READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1",
                                        "WATCHDOG=trigger"};
    static const char *const beginnings[] = {"STATUS=", "ERRNO=", "BUSERROR=", "MONOTONIC_USEC="};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (strlen(whole[i]) == length && memcmp(whole[i], line, length) == 0) return true;
    }
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        size_t size = strlen(beginnings[i]);
        if (length >= size && memcmp(beginnings[i], line, size) == 0) return true;
    }
    return false;
}

static size_t filter(const char *data, size_t size, char *passed) {
    size_t used = 0;
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t length = newline == NULL ? size : (size_t)(newline - data);
        if (is_passed(data, length)) {
            memcpy(passed + used, data, length);
            used += length;
            passed[used++] = '\n';
        }
        size_t taken = newline == NULL ? length : length + 1;
        data += taken;
        size -= taken;
    }
    return used;
}

static void notify_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    char data[DATAGRAM_MAX], passed[DATAGRAM_MAX + 1];
    ssize_t size = recv(source->fd, data, sizeof data, MSG_DONTWAIT);
    if (size <= 0) return;
    size_t used = filter(data, (size_t)size, passed);
    if (used == 0) return;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *target = monitor->options.sdnotify_socket;
    size_t length = strlen(target);
    memcpy(address.sun_path, target, length);
    if (target[0] == '@') address.sun_path[0] = '\0';
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    sendto(source->fd, passed, used, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address,
           address_size);
}

int open_notify(struct monitor *monitor, struct failure *failure) {
    const struct options *options = &monitor->options;
    if (options->sdnotify_socket == NULL || options->bundle == NULL) return 0;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(options->sdnotify_socket);
    if (length == 0 || length >= sizeof address.sun_path) {
        return fail(failure, 0, "sdnotify socket `%s` is no socket's path", options->sdnotify_socket);
    }
    char directory[PATH_MAX];
    if (snprintf(directory, sizeof directory, "%s/notify", options->bundle) >= PATH_MAX) {
        return fail(failure, ENAMETOOLONG, "notify directory");
    }
    _cleanup_close_ int directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) return fail(failure, errno, "Failed to open %s", directory);
    unlinkat(directory_fd, "notify.sock", 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/notify.sock",
             directory_fd);
    struct source *source = &monitor->notify.source;
    *source = (struct source){
        .fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
        .ready = notify_ready};
    if (source->fd < 0 || bind(source->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        fchmodat(directory_fd, "notify.sock", 0777, 0) < 0 ||
        watch(monitor->loop, source, EPOLLIN) < 0) {
        return fail(failure, errno, "Failed to listen on %s/notify.sock", directory);
    }
    return 0;
}
