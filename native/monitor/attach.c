#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "client.h"
#include "monitor.h"
#include "say.h"

/* More than anybody needs to look at one container; each holds an fd. */
enum { BACKLOG = 10, CLIENTS_MAX = 64 };

/* Without a free fd a waiting client would be reported for ever: it is taken and turned away. */
static void turn_away(struct attach *attach) {
    close(attach->spare_fd);
    int fd = accept4(attach->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    attach->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    say(SAY_WARNING, "no file descriptor for an attach client");
}

static void listener_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    struct attach *attach = &monitor->attach;
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) turn_away(attach);
        return;
    }
    if (attach->count >= CLIENTS_MAX) evict_gone(monitor);
    if (attach->count >= CLIENTS_MAX || add_client(monitor, fd) < 0) {
        close(fd);
        say(SAY_WARNING, "too many attach clients");
    }
}

/* Bound through the directory's fd, so that the bundle's path may be of any length. */
static int bind_in(int socket, const char *directory, struct failure *failure) {
    _cleanup_close_ int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail(failure, errno, "Failed to open %s", directory);
    unlinkat(fd, "attach", 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/attach", fd);
    if (bind(socket, (struct sockaddr *)&address, sizeof address) < 0 ||
        fchmodat(fd, "attach", 0700, 0) < 0) {
        return fail(failure, errno, "Failed to bind attach socket in %s", directory);
    }
    return 0;
}

static int link_path(const struct options *options, char path[PATH_MAX]) {
    int length = snprintf(path, PATH_MAX, "%s/%s", options->socket_dir, options->cuuid);
    return length < PATH_MAX ? 0 : -1;
}

static int make_link(struct monitor *monitor, struct failure *failure) {
    const struct options *options = &monitor->options;
    char path[PATH_MAX];
    if (options->full_attach || options->cuuid == NULL) return 0;
    if (link_path(options, path) < 0) return fail(failure, ENAMETOOLONG, "attach symlink");
    unlink(path);
    if (symlink(options->bundle, path) < 0) {
        return fail(failure, errno, "Failed to create symlink %s for attach socket", path);
    }
    monitor->attach.linked = true;
    return 0;
}

int open_attach(struct monitor *monitor, struct failure *failure) {
    struct attach *attach = &monitor->attach;
    attach->listener = (struct source){
        .fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
        .ready = listener_ready};
    int fd = attach->listener.fd;
    if (fd < 0) return fail(failure, errno, "Failed to create attach socket");
    if (bind_in(fd, monitor->options.bundle, failure) < 0 || make_link(monitor, failure) < 0) {
        return -1;
    }
    if (listen(fd, BACKLOG) < 0 || watch(monitor->loop, &attach->listener, EPOLLIN) < 0) {
        return fail(failure, errno, "Failed to listen on attach socket");
    }
    attach->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return 0;
}

void remove_attach(struct monitor *monitor) {
    struct attach *attach = &monitor->attach;
    if (attach->listener.fd < 0) return;
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/attach", monitor->options.bundle) < PATH_MAX) unlink(path);
    if (attach->linked && link_path(&monitor->options, path) == 0) unlink(path);
}
