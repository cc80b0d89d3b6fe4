#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"
#include "monitor.h"
#include "say.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

/* Nothing tells when a hung-up terminal is opened again, so it is looked at now and then. */
enum { RETRY_MS = 100, NAME_MAX_SIZE = 4096 };

static void apply_size(struct terminal *terminal) {
    struct winsize size = {.ws_row = terminal->height, .ws_col = terminal->width};
    if (ioctl(terminal->fd, TIOCSWINSZ, &size) < 0) {
        say(SAY_WARNING, "unable to resize the terminal: %s", strerror(errno));
    }
}

void set_terminal_size(struct monitor *monitor, unsigned short height, unsigned short width) {
    struct terminal *terminal = &monitor->terminal;
    terminal->height = height;
    terminal->width = width;
    terminal->sized = true;
    if (terminal->fd >= 0) apply_size(terminal);
}

static void use_terminal(struct monitor *monitor, int fd) {
    struct terminal *terminal = &monitor->terminal;
    struct termios settings;
    if (tcgetattr(fd, &settings) == 0) {
        settings.c_oflag |= ONLCR;
        tcsetattr(fd, TCSANOW, &settings);
    }
    terminal->fd = fd;
    terminal->slave = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal->sized) apply_size(terminal);
    watch_window_size(monitor);
    int input = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (input >= 0) open_input(monitor, input);
    if (watch_output(monitor, &monitor->out, fd) < 0) {
        say(SAY_ERROR, "unable to watch the terminal: %s", strerror(errno));
    }
}

static int receive_fd(int connection) {
    char name[NAME_MAX_SIZE];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {name, sizeof name};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len < CMSG_LEN(sizeof(int))) {
        errno = EPROTO;
        return -1;
    }
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static void connection_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    int fd = receive_fd(source->fd);
    if (fd < 0 && errno == EAGAIN) return;
    if (fd < 0) say(SAY_ERROR, "no terminal came over the console socket: %s", strerror(errno));
    else use_terminal(monitor, fd);
    drop(monitor->loop, source);
}

static void listener_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct terminal *terminal = &monitor->terminal;
    terminal->connection = (struct source){.fd = fd, .ready = connection_ready};
    if (watch(monitor->loop, &terminal->connection, EPOLLIN) < 0) {
        say(SAY_ERROR, "unable to watch the console socket: %s", strerror(errno));
        drop(monitor->loop, &terminal->connection);
    }
    close_console_socket(monitor);
}

/* mkstemp() finds a free name; the socket takes the place of its file. */
static int make_socket_path(struct terminal *terminal, struct failure *failure) {
    const char *directory = getenv("TMPDIR");
    if (directory == NULL || directory[0] == '\0') directory = "/tmp";
    int length = snprintf(terminal->path, sizeof terminal->path, "%s/conmon-term.XXXXXX", directory);
    if (length >= (int)sizeof terminal->path) {
        return fail(failure, ENAMETOOLONG, "console socket in %s", directory);
    }
    int file = mkstemp(terminal->path);
    if (file < 0) return fail(failure, errno, "Failed to create %s", terminal->path);
    close(file);
    unlink(terminal->path);
    return 0;
}

int open_console_socket(struct monitor *monitor, struct failure *failure) {
    struct terminal *terminal = &monitor->terminal;
    if (make_socket_path(terminal, failure) < 0) return -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, terminal->path);
    terminal->listener = (struct source){
        .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
        .ready = listener_ready};
    int fd = terminal->listener.fd;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        chmod(terminal->path, 0700) < 0 || listen(fd, 1) < 0 ||
        watch(monitor->loop, &terminal->listener, EPOLLIN) < 0) {
        return fail(failure, errno, "Failed to listen on the console socket %s", terminal->path);
    }
    return 0;
}

void close_console_socket(struct monitor *monitor) {
    struct terminal *terminal = &monitor->terminal;
    drop(monitor->loop, &terminal->listener);
    if (terminal->path[0] != '\0') unlink(terminal->path);
    terminal->path[0] = '\0';
}

bool wait_for_opener(struct monitor *monitor, struct output *output) {
    if (output != &monitor->out || monitor->terminal.fd < 0 || errno != EIO) return false;
    rewatch(monitor->loop, &output->source, 0);
    monitor->terminal.retry_at = now_ms() + RETRY_MS;
    return true;
}

void retry_terminal(struct monitor *monitor) {
    monitor->terminal.retry_at = 0;
    rewatch(monitor->loop, &monitor->out.source, EPOLLIN);
}
