/*
 * attach SOCKET
 *
 * Connects to a monitor's attach socket (ours or conmon's), which is SOCK_SEQPACKET, and bridges it
 * to plain streams: stdin becomes packets, packets of the container's stdout and stderr go to ours.
 * Ends with the connection, or in one of the ways of `enum end`.
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
#include <time.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/failure.h"
#include "../base/programs.h"

enum end {
    END = 0,
    CLIENT_STALLED = 3, /* it took nothing for so long that it would have stopped the container */
    NOT_CONNECTED = 4,
};

enum {
    INPUT_MAX = 32768,          /* conmon cuts longer packets */
    PACKET_MAX = 65536,         /* both monitors send 8 kB at most */
    BUFFER = 4 * PACKET_MAX,
    STALL_MS = 3000,
    STREAM_STDERR = 3,          /* the first byte of a packet; 2 is stdout */
};

/* Output that the client has not taken yet, in the order it came. */
struct buffer {
    int fd; /* -1: nobody reads it any more */
    size_t start, end;
    char data[BUFFER];
};

static size_t waiting(const struct buffer *buffer) {
    return buffer->end - buffer->start;
}

static void add(struct buffer *buffer, const char *data, size_t size) {
    if (buffer->fd < 0) return;
    if (buffer->start > 0 && buffer->end + size > BUFFER) {
        memmove(buffer->data, buffer->data + buffer->start, waiting(buffer));
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    memcpy(buffer->data + buffer->end, data, size);
    buffer->end += size;
}

/* Returns whether the client has taken anything; a stream it has closed takes everything. */
static bool flush(struct buffer *buffer) {
    if (buffer->fd < 0 || waiting(buffer) == 0) return false;
    ssize_t size = write(buffer->fd, buffer->data + buffer->start, waiting(buffer));
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (size < 0) buffer->fd = -1;
    buffer->start += size < 0 ? waiting(buffer) : (size_t)size;
    if (waiting(buffer) == 0) buffer->start = buffer->end = 0;
    return true;
}

/* Through the directory's fd, so that the path may be of any length. */
static int connect_to(const char *path, struct failure *failure) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return fail(failure, 0, "%s is not an absolute path", path);
    _cleanup_free_ char *directory = strndup(path, (size_t)(slash - path) + 1);
    if (directory == NULL) return fail(failure, 0, "out of memory");
    _cleanup_close_ int at = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) return fail(failure, errno, "open %s", directory);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", at,
                          slash + 1);
    if (length >= (int)sizeof address.sun_path) return fail(failure, ENAMETOOLONG, "%s", path);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* A monitor that has no room for another client does not answer: nobody waits for it. */
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        return fail(failure, errno, "connect to %s", path);
    }
    return take_fd(&fd);
}

/* The packet that the monitor has not taken yet. */
struct input {
    char data[INPUT_MAX];
    size_t size;
    bool over;
};

static void read_input(struct input *input, int socket) {
    ssize_t size = read(STDIN_FILENO, input->data, sizeof input->data);
    if (size > 0) input->size = (size_t)size;
    if (size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR))) return;
    input->over = true;
    shutdown(socket, SHUT_WR);
}

/* Returns false when the monitor has gone. */
static bool send_input(struct input *input, int socket) {
    if (send(socket, input->data, input->size, MSG_NOSIGNAL) >= 0) input->size = 0;
    return input->size == 0 || errno == EAGAIN || errno == EINTR;
}

/* Returns false at the end of the connection. */
static bool receive(int socket, struct buffer *out, struct buffer *err) {
    static char packet[PACKET_MAX];
    ssize_t size = recv(socket, packet, sizeof packet, 0);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) return false;
    add(packet[0] == STREAM_STDERR ? err : out, packet + 1, (size_t)size - 1);
    return true;
}

static bool has_room(const struct buffer *buffer) {
    return waiting(buffer) + PACKET_MAX <= BUFFER;
}

/* The connection is over: what the client has not taken yet, as long as it takes something. */
static enum end finish(struct buffer *out, struct buffer *err) {
    while (waiting(out) + waiting(err) > 0) {
        struct pollfd fds[] = {
            {.fd = waiting(out) > 0 ? out->fd : -1, .events = POLLOUT},
            {.fd = waiting(err) > 0 ? err->fd : -1, .events = POLLOUT},
        };
        int ready = poll(fds, 2, STALL_MS);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return CLIENT_STALLED;
        if (fds[0].revents != 0) flush(out);
        if (fds[1].revents != 0) flush(err);
    }
    return END;
}

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static enum end bridge(int socket) {
    static struct input input;
    static struct buffer out, err; /* without a value: zeros are not in the file */
    out.fd = STDOUT_FILENO;
    err.fd = STDERR_FILENO;
    long long taken_at = now_ms(); /* when the client has last taken something, or need not */
    for (;;) {
        bool room = has_room(&out) && has_room(&err);
        if (room) taken_at = now_ms();
        short wish = (short)((room ? POLLIN : 0) | (input.size > 0 ? POLLOUT : 0));
        struct pollfd fds[] = {
            /* Without a wish nothing is asked: the end would be reported again and again. */
            {.fd = wish != 0 ? socket : -1, .events = wish},
            {.fd = input.over || input.size > 0 ? -1 : STDIN_FILENO, .events = POLLIN},
            {.fd = out.fd, .events = waiting(&out) > 0 ? POLLOUT : 0},
            {.fd = err.fd, .events = waiting(&err) > 0 ? POLLOUT : 0},
        };
        if (poll(fds, 4, room ? -1 : STALL_MS) < 0) {
            if (errno == EINTR) continue;
            return NOT_CONNECTED;
        }
        if (fds[2].revents & POLLERR && fds[3].revents & POLLERR) return END;
        if (fds[2].revents & POLLERR) out.fd = -1;
        if (fds[3].revents & POLLERR) err.fd = -1;
        bool taken = flush(&out);
        taken |= flush(&err);
        if (taken) taken_at = now_ms();
        if (!room && now_ms() - taken_at >= STALL_MS) return CLIENT_STALLED;
        if (fds[1].revents != 0) read_input(&input, socket);
        if (fds[0].revents & POLLOUT && !send_input(&input, socket)) return finish(&out, &err);
        if (room && fds[0].revents & (POLLIN | POLLHUP | POLLERR) &&
            !receive(socket, &out, &err)) {
            return finish(&out, &err);
        }
    }
}

int attach_main(int argc, char **argv) {
    struct failure failure = {0};
    if (argc != 2) {
        fputs("usage: attach SOCKET\n", stderr);
        return 2;
    }
    _cleanup_close_ int socket = connect_to(argv[1], &failure);
    if (socket < 0) {
        fprintf(stderr, "attach: %s\n", failure.text);
        return NOT_CONNECTED;
    }
    fcntl(STDOUT_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK);
    fcntl(STDERR_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK);
    return bridge(socket);
}
