#include "turn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "monitor.h"
#include "say.h"

/* After so long without output the pages of its buffers are given back. */
enum { IDLE_MS = 10000, FOREVER = -1 };

/* More than any function here uses, and what is left to this one and its callees. */
enum { STACK_MAX = 128 * 1024, STACK_KEPT = 1024 };

/* How long a killed process may take to die. */
enum { DYING_MS = 5000 };

static void reap(struct monitor *monitor) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == monitor->runtime.pid && !monitor->runtime.ended) {
            monitor->runtime.ended = true;
            monitor->runtime.status = exit_number(status);
        } else if (pid == monitor->container.pid) {
            monitor->container.ended = true;
            monitor->container.status = exit_number(status);
        } else if (monitor->container.pid == 0) {
            remember_reaped(&monitor->reaped, pid, status);
        }
    }
}

void signals_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    struct signalfd_siginfo signal;
    while (read(source->fd, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        switch (signal.ssi_signo) {
        case SIGCHLD: reap(monitor); break;
        case SIGTERM:
        case SIGINT:
        case SIGQUIT:
            signal_process(monitor->container.pid > 0 ? &monitor->container : &monitor->runtime,
                           (int)signal.ssi_signo);
            break;
        default: break; /* SIGHUP and SIGUSR1 are for others: the container stays watched */
        }
    }
}

void timeout_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    drop(monitor->loop, source);
    if (monitor->container.ended) return;
    monitor->timed_out = true;
    monitor->give_up_at = now_ms() + DYING_MS;
    kill_tree(&monitor->container);
}

bool is_given_up(const struct monitor *monitor) {
    return monitor->give_up_at != 0 && now_ms() >= monitor->give_up_at;
}

static void container_gone(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    rewatch(monitor->loop, source, 0);
    reap(monitor);
    if (monitor->container.ended) return;
    say(SAY_ERROR, "container %d is not our child: its exit code cannot be known",
        (int)monitor->container.pid);
    monitor->container.ended = true;
    monitor->container.status = -1;
}

void adopt_container(struct monitor *monitor) {
    siginfo_t info;
    struct process *container = &monitor->container;
    if (waitid(P_PID, (id_t)container->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) return;
    if (container->pidfd.fd < 0) {
        container->ended = true;
        container->status = -1;
        return;
    }
    container->pidfd.ready = container_gone;
    if (watch(monitor->loop, &container->pidfd, EPOLLIN) < 0) {
        say(SAY_ERROR, "Failed to watch the container's process");
    }
}

/* Whole pages within the range; a range that is not mapped everywhere is no harm. */
static void give_back(uintptr_t start, uintptr_t end) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    start = (start + page - 1) & ~(page - 1);
    end &= ~(page - 1);
    if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
}

static void give_buffer_back(const char *buffer, size_t size) {
    give_back((uintptr_t)buffer, (uintptr_t)buffer + size);
}

/* The stack below this function, where the start has left its paths and messages. */
static void give_stack_back(void) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    give_back(here - STACK_MAX, here - STACK_KEPT);
}

void give_memory_back(struct monitor *monitor) {
    if (monitor->out.held == 0) give_buffer_back(monitor->out.buffer, OUTPUT_BUFFER_SIZE);
    if (monitor->err.held == 0) give_buffer_back(monitor->err.buffer, OUTPUT_BUFFER_SIZE);
    give_buffer_back(monitor->log.file.buffer, LOG_BUFFER_SIZE);
    give_stack_back();
}

static int64_t sooner(int64_t one, int64_t other) {
    return one == 0 || (other != 0 && other < one) ? other : one;
}

/* The next time something is to be done without an event; 0: none. */
static int64_t next_deadline(const struct monitor *monitor) {
    int64_t next = sooner(monitor->terminal.retry_at, monitor->give_up_at);
    if (monitor->out.held > 0 && !monitor->out.kept_back) {
        next = sooner(next, monitor->out.held_until);
    }
    if (monitor->err.held > 0 && !monitor->err.kept_back) {
        next = sooner(next, monitor->err.held_until);
    }
    return monitor->attach.paused ? sooner(next, monitor->attach.check_at) : next;
}

static void finish_old_line(struct monitor *monitor, struct output *output, int64_t now) {
    if (output->held > 0 && !output->kept_back && now >= output->held_until) {
        finish_line(monitor, output);
    }
}

static void do_what_is_due(struct monitor *monitor) {
    int64_t deadline = next_deadline(monitor);
    if (deadline == 0) return;
    int64_t now = now_ms();
    if (now < deadline) return;
    finish_old_line(monitor, &monitor->out, now);
    finish_old_line(monitor, &monitor->err, now);
    if (monitor->terminal.retry_at != 0 && now >= monitor->terminal.retry_at) {
        retry_terminal(monitor);
    }
}

void take_turn(struct monitor *monitor) {
    int64_t deadline = next_deadline(monitor);
    int timeout = FOREVER;
    if (deadline != 0) {
        int64_t left = deadline - now_ms();
        timeout = left > 0 ? (int)left : 0;
    } else if (monitor->used) {
        timeout = IDLE_MS;
    }
    int served = serve_once(monitor->loop, monitor, timeout);
    if (served > 0) {
        monitor->used = true;
    } else if (deadline == 0 && monitor->used) {
        give_memory_back(monitor);
        monitor->used = false;
    }
    do_what_is_due(monitor);
    tend_clients(monitor);
}
