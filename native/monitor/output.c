#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bytes.h"
#include "clock.h"
#include "monitor.h"

/* How long the rest of a line is waited for before what is there is logged as a piece. */
enum { HOLD_MS = 10 };

/*
 * What a container's pipe is made to hold that turned out to be too small; the kernel's own is 64 kB.
 * Not more, for what is in a pipe counts as memory of the container.
 */
enum { LARGE_PIPE_SIZE = 256 * 1024 };

/* One more than the place of the last newline, 0 when there is none. */
static size_t after_last_newline(const char *data, size_t size) {
    while (size % 16 != 0) {
        if (data[size - 1] == '\n') return size;
        size--;
    }
    for (; size > 0; size -= 16) {
        uint32_t bits = newlines_in_16(data + size - 16);
        if (bits != 0) return size - 16 + 32 - (size_t)__builtin_clz(bits);
    }
    return 0;
}

static void log_front(struct monitor *monitor, struct output *output, size_t size) {
    if (size == 0) return;
    write_log(&monitor->log, output->stream, output->buffer, size);
    output->held -= size;
    memmove(output->buffer, output->buffer + size, output->held);
}

/* Logs whole lines and full pieces; `fresh` bytes at the end are new. */
static void log_lines(struct monitor *monitor, struct output *output, size_t fresh) {
    size_t old = output->held - fresh;
    size_t whole = after_last_newline(output->buffer + old, fresh);
    bool was_held = old > 0 && whole == 0;
    if (whole > 0) log_front(monitor, output, old + whole);
    if (output->held >= PIECE_SIZE) log_front(monitor, output, output->held / PIECE_SIZE * PIECE_SIZE);
    if (output->held > 0 && !was_held) output->held_until = now_ms() + HOLD_MS;
}

/* `fresh` bytes have been read behind what is held. */
static void pass_on(struct monitor *monitor, struct output *output, size_t fresh) {
    if (output->overheard) {
        hear(monitor->last_words, output->buffer + output->held, fresh);
    }
    output->held += fresh;
    if (output->kept_back) {
        if (output->held <= PIECE_SIZE) return;
        output->kept_back = false;
        fresh = output->held;
    }
    send_to_clients(monitor, output->stream, output->buffer + output->held - fresh, fresh);
    log_lines(monitor, output, fresh);
}

/*
 * A container that fills its pipe would wait while its lines are formatted and written. What the kernel
 * does not allow, as for a terminal, stays as it is.
 */
static void widen(struct output *output) {
    output->wide = true;
    fcntl(output->source.fd, F_SETPIPE_SZ, LARGE_PIPE_SIZE);
}

/* Returns whether more may be there at once. */
static bool read_output(struct monitor *monitor, struct output *output) {
    ssize_t size;
    do {
        size = read(output->source.fd, output->buffer + output->held, READ_SIZE);
    } while (size < 0 && errno == EINTR);
    if (size >= PIPE_SIZE && !output->wide) widen(output);
    if (size > 0) {
        pass_on(monitor, output, (size_t)size);
        return true;
    }
    if (size < 0 && errno == EAGAIN) return false;
    if (size < 0 && wait_for_opener(monitor, output)) return false;
    if (!output->kept_back) finish_line(monitor, output);
    drop(monitor->loop, &output->source);
    return false;
}

static void output_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    read_output(monitor, (struct output *)source);
}

int watch_output(struct monitor *monitor, struct output *output, int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    output->source = (struct source){.fd = fd, .ready = output_ready};
    return watch(monitor->loop, &output->source, EPOLLIN);
}

void release_output(struct monitor *monitor, struct output *output) {
    bool kept_back = output->kept_back;
    output->overheard = false;
    output->kept_back = false;
    if (!kept_back) return;
    size_t fresh = output->held;
    output->held = 0;
    pass_on(monitor, output, fresh);
    if (output->source.fd < 0) finish_line(monitor, output);
}

void drain_output(struct monitor *monitor, struct output *output) {
    if (output->source.fd < 0) return;
    /* A process left behind may write for ever; what was in the pipe at the end is wanted. */
    int capacity = fcntl(output->source.fd, F_GETPIPE_SZ);
    int rounds = capacity > READ_SIZE ? capacity / READ_SIZE + 1 : 16;
    while (rounds-- > 0 && output->source.fd >= 0 && read_output(monitor, output)) continue;
}

void finish_line(struct monitor *monitor, struct output *output) {
    log_front(monitor, output, output->held);
}

void pause_outputs(struct monitor *monitor) {
    rewatch(monitor->loop, &monitor->out.source, 0);
    rewatch(monitor->loop, &monitor->err.source, 0);
}

void resume_outputs(struct monitor *monitor) {
    rewatch(monitor->loop, &monitor->out.source, EPOLLIN);
    rewatch(monitor->loop, &monitor->err.source, EPOLLIN);
}
