#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "monitor.h"

static void finish_packet(struct monitor *monitor) {
    struct input *input = &monitor->input;
    free(input->packet);
    input->packet = NULL;
    rewatch(monitor->loop, &input->source, 0);
    if (input->close_after) drop(monitor->loop, &input->source);
    update_clients(monitor);
}

static void write_more(struct monitor *monitor) {
    struct input *input = &monitor->input;
    while (input->done < input->size) {
        ssize_t count =
            write(input->source.fd, input->packet + input->done, input->size - input->done);
        if (count > 0) {
            input->done += (size_t)count;
        } else if (count < 0 && errno == EAGAIN) {
            rewatch(monitor->loop, &input->source, EPOLLOUT);
            return;
        } else if (count < 0 && errno != EINTR) {
            /* The container has closed its end: nothing more will be wanted. */
            input->close_after = true;
            break;
        }
    }
    finish_packet(monitor);
}

static void input_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)source;
    (void)events;
    if (monitor->input.packet != NULL) write_more(monitor);
}

void open_input(struct monitor *monitor, int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    /* Parked: there is nothing to wait for until a packet does not fit. */
    monitor->input.source = (struct source){.fd = fd, .ready = input_ready};
}

bool input_is_busy(const struct input *input) {
    return input->packet != NULL;
}

void write_input(struct monitor *monitor, char *packet, size_t size) {
    struct input *input = &monitor->input;
    if (input->source.fd < 0) {
        free(packet);
        return;
    }
    input->packet = packet;
    input->size = size;
    input->done = 0;
    write_more(monitor);
}

void end_input(struct monitor *monitor) {
    const struct options *options = &monitor->options;
    struct input *input = &monitor->input;
    if (options->terminal || options->leave_stdin_open) return;
    if (input->packet != NULL) input->close_after = true;
    else drop(monitor->loop, &input->source);
}
