#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "session.h"

int open_console(struct console *console, const char *directory, struct failure *failure) {
    *console = (struct console){.directory = -1, .listener = -1};
    _cleanup_close_ int at = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) return fail(failure, errno, "open %s", directory);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail(failure, errno, "make a socket");
    snprintf(console->name, sizeof console->name, "console-%d", getpid());
    snprintf(console->path, sizeof console->path, "/proc/%d/fd/%d/%s", getpid(), at,
             console->name);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, console->path);
    unlink(console->path); /* of a session that was killed and had our pid */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0) {
        return fail(failure, errno, "listen on %s/%s", directory, console->name);
    }
    console->directory = take_fd(&at);
    console->listener = take_fd(&fd);
    return 0;
}

/* The one fd that comes with a message. */
static int receive_fd(int socket) {
    char text[4096]; /* the terminal's name */
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = text, .iov_len = sizeof text};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t size;
    while ((size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) continue;
    if (size < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    errno = EPROTO;
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

int accept_console(struct console *console, struct failure *failure) {
    _cleanup_close_ int peer = accept4(console->listener, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0) return fail(failure, errno, "accept the terminal");
    close_console(console);
    _cleanup_close_ int master = receive_fd(peer);
    if (master < 0) return fail(failure, errno, "receive the terminal");
    struct termios settings;
    if (tcgetattr(master, &settings) == 0) {
        settings.c_oflag |= ONLCR;
        tcsetattr(master, TCSANOW, &settings);
    }
    if (fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
        return fail(failure, errno, "prepare the terminal");
    }
    return take_fd(&master);
}

void close_console(struct console *console) {
    if (console->directory < 0) return;
    unlinkat(console->directory, console->name, 0);
    close(console->directory);
    close(console->listener);
    console->directory = console->listener = -1;
}
