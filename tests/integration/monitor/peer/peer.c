/*
 * relay SOCKET
 *
 * Connects to a monitor's attach socket (ours or conmon's), which is SOCK_SEQPACKET, and bridges it to
 * plain streams: stdin becomes packets, packets of the container's stdout and stderr go to ours. The end
 * of stdin is passed on as such. Exits with 0 at the end of the connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/failure.h"
#include "../base/programs.h"

enum {
    INPUT_MAX = 32768,       /* conmon cuts longer packets */
    PACKET_MAX = 1 << 18,    /* more than a socket's buffer takes */
    STREAM_STDERR = 3,       /* the first byte of a packet */
};

/* Through the directory's fd, so that the path may be of any length. */
static int connect_to(const char *path, struct failure *failure) {
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    _cleanup_free_ char *directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    if (directory == NULL) return fail(failure, 0, "out of memory");
    _cleanup_close_ int directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) return fail(failure, errno, "open %s", directory);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s",
                          directory_fd, name);
    if (length >= (int)sizeof address.sun_path) return fail(failure, ENAMETOOLONG, "%s", path);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        return fail(failure, errno, "connect to %s", path);
    }
    return take_fd(&fd);
}

static int write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -1;
        data += count;
        size -= (size_t)count;
    }
    return 0;
}

/* Returns false at the end of the input. */
static bool pass_input(int socket) {
    static char data[INPUT_MAX];
    ssize_t size = read(STDIN_FILENO, data, sizeof data);
    if (size < 0 && errno == EINTR) return true;
    if (size > 0 && send(socket, data, (size_t)size, MSG_NOSIGNAL) >= 0) return true;
    shutdown(socket, SHUT_WR);
    return false;
}

/* Returns false at the end of the connection, or when nobody reads us any more. */
static bool pass_output(int socket) {
    static char packet[PACKET_MAX];
    ssize_t size = recv(socket, packet, sizeof packet, 0);
    if (size < 0 && errno == EINTR) return true;
    if (size <= 0) return false;
    int target = packet[0] == STREAM_STDERR ? STDERR_FILENO : STDOUT_FILENO;
    return write_all(target, packet + 1, (size_t)size - 1) == 0;
}

int relay_main(int argc, char **argv) {
    struct failure failure;
    if (argc != 2) {
        fputs("usage: relay SOCKET\n", stderr);
        return 2;
    }
    _cleanup_close_ int socket = connect_to(argv[1], &failure);
    if (socket < 0) {
        fprintf(stderr, "relay: %s\n", failure.text);
        return 1;
    }
    struct pollfd fds[] = {{.fd = socket, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) return 1;
        if (fds[0].revents != 0 && !pass_output(socket)) return 0;
        if (fds[1].revents != 0 && !pass_input(socket)) fds[1].fd = -1;
    }
}
