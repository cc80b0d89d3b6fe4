#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Few, so that a source that is dropped by a handler is seldom in the rest of the batch. */
enum { BATCH = 8 };

int open_loop(void) {
    return epoll_create1(EPOLL_CLOEXEC);
}

int watch(int loop, struct source *source, uint32_t events) {
    source->events = 0;
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, source->fd, &event) < 0) return -1;
    source->events = events;
    return 0;
}

void rewatch(int loop, struct source *source, uint32_t events) {
    if (source->fd < 0 || source->events == events) return;
    struct epoll_event event = {.events = events, .data.ptr = source};
    /* epoll reports the end of a file even for no events, so a parked one is taken out. */
    int operation = source->events == 0 ? EPOLL_CTL_ADD
                    : events == 0       ? EPOLL_CTL_DEL
                                        : EPOLL_CTL_MOD;
    epoll_ctl(loop, operation, source->fd, &event);
    source->events = events;
}

void drop(int loop, struct source *source) {
    if (source->fd < 0) return;
    if (source->events != 0) epoll_ctl(loop, EPOLL_CTL_DEL, source->fd, NULL);
    close(source->fd);
    source->fd = -1;
    source->events = 0;
}

int serve_once(int loop, struct monitor *monitor, int timeout) {
    struct epoll_event events[BATCH];
    int count = epoll_wait(loop, events, BATCH, timeout);
    for (int i = 0; i < count; i++) {
        struct source *source = events[i].data.ptr;
        /* An earlier handler of this batch may have closed it. */
        if (source->fd >= 0 && source->events != 0) {
            source->ready(monitor, source, events[i].events);
        }
    }
    return count < 0 && errno == EINTR ? 0 : count;
}
