#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "session.h"

/* How often a terminal is looked at that nobody has open: the next opener is not announced. */
enum { LOOK_MS = 50 };

/* Reads what there is into the free room. False at the end, or on any error but EAGAIN. */
static bool flow_read(struct flow *flow, int fd) {
    if (!flow_has(flow)) flow->start = flow->end = 0;
    ssize_t size = read(fd, flow->data + flow->end, sizeof flow->data - flow->end);
    if (size > 0) flow->end += (size_t)size;
    return size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Writes what is taken. False when nobody takes anything any more. */
static bool flow_write(struct flow *flow, int fd) {
    ssize_t size = write(fd, flow->data + flow->start, flow->end - flow->start);
    if (size > 0) flow->start += (size_t)size;
    return size >= 0 || errno == EAGAIN || errno == EINTR;
}

void set_terminal_size(struct terminal *terminal, unsigned short columns, unsigned short rows) {
    terminal->columns = columns;
    terminal->rows = rows;
    if (terminal->master < 0 || columns == 0 || rows == 0) return;
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    ioctl(terminal->master, TIOCSWINSZ, &size); /* the kernel tells the processes if it changed */
}

/* The kernel sends SIGHUP to whoever is in the foreground. */
static void hang_up(struct terminal *terminal) {
    if (terminal->master >= 0) close(terminal->master);
    terminal->master = -1;
    terminal->client_gone = true;
}

void start_terminal(struct terminal *terminal, int master) {
    terminal->master = master;
    set_terminal_size(terminal, terminal->columns, terminal->rows);
    if (terminal->client_gone) hang_up(terminal);
}

int arm_terminal(const struct terminal *terminal, struct pollfd *fds) {
    bool up = terminal->master >= 0;
    short wish = 0;
    if (up && !terminal->closed && flow_wants(&terminal->output)) wish |= POLLIN;
    if (up && !terminal->closed && flow_has(&terminal->input)) wish |= POLLOUT;
    /* Without a wish nothing is asked: HUP would be reported again and again. */
    fds[MASTER] = (struct pollfd){.fd = wish != 0 ? terminal->master : -1, .events = wish};
    bool listen = !terminal->client_gone && flow_wants(&terminal->input);
    fds[INPUT] = (struct pollfd){.fd = listen ? STDIN_FILENO : -1, .events = POLLIN};
    fds[OUTPUT] = (struct pollfd){.fd = terminal->client_gone ? -1 : STDOUT_FILENO,
                                  .events = flow_has(&terminal->output) ? POLLOUT : 0};
    return up && terminal->closed ? LOOK_MS : -1;
}

void serve_terminal(struct terminal *terminal, const struct pollfd *fds) {
    if (fds[INPUT].revents != 0 && !read_frames(terminal, STDIN_FILENO)) hang_up(terminal);
    if (fds[OUTPUT].revents & POLLERR) hang_up(terminal);
    if (terminal->master < 0) return;
    bool look = terminal->closed || fds[MASTER].revents & (POLLIN | POLLHUP);
    if (look && flow_wants(&terminal->output)) {
        terminal->closed = !flow_read(&terminal->output, terminal->master);
    }
    if (flow_has(&terminal->input)) flow_write(&terminal->input, terminal->master);
    if (fds[OUTPUT].revents & POLLOUT && !flow_write(&terminal->output, STDOUT_FILENO)) {
        hang_up(terminal);
    }
}

void drain_terminal(struct terminal *terminal) {
    struct flow *output = &terminal->output;
    while (terminal->master >= 0) {
        if (!flow_has(output) && !flow_read(output, terminal->master)) return;
        if (!flow_has(output)) return; /* somebody else has it open, but says nothing */
        struct pollfd client = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (poll(&client, 1, -1) < 0 && errno != EINTR) return;
        if (!flow_write(output, STDOUT_FILENO)) return;
    }
}
