#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/null_device.h"
#include "affinity.h"
#include "left.h"
#include "start.h"

static pid_t run_program(char **program, const sigset_t *mask) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    if (take_null_input() < 0) end_child("open a null device");
    become_program(program, mask);
}

int run_and_wait(const struct start_request *request, struct failure *failure) {
    sigset_t before;
    _cleanup_close_ int children = adopt_orphans(&before, failure);
    if (children < 0) return -1;
    struct left_process left = {.program = run_program(request->program, &before)};
    if (left.program < 0) return fail(failure, errno, "fork");
    setpgid(left.program, left.program); /* whichever of the two comes first */

    struct pollfd fds[] = {{.fd = children, .events = POLLIN}, {.fd = STDIN_FILENO}};
    bool placed = false, killing = false;
    for (;;) {
        int result;
        int end = reap_left(&left, request->pid_file, &result, failure);
        if (left.process != 0 && !placed) {
            if (request->cgroup != NULL) join_cgroup(request->cgroup, left.process);
            pin_to_cpu(left.process, request->cpu);
            placed = true;
            /* The starter has gone while it was not known yet. */
            if (killing) kill_left(&left);
        }
        if (end != 0) return end > 0 ? result : -1;
        if (poll(fds, 2, -1) < 0 && errno != EINTR) return fail(failure, errno, "poll");
        if (fds[1].revents & (POLLHUP | POLLERR)) {
            kill_left(&left);
            killing = true;
            fds[1].fd = -1; /* now only the end is waited for */
        }
        struct signalfd_siginfo info;
        while (read(children, &info, sizeof info) > 0) continue;
    }
}
