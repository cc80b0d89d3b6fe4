#include "left.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"

static int exit_status(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A pid, or 0 when the file holds none. */
static pid_t read_pid(const char *path) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    char text[32];
    ssize_t size = read(fd, text, sizeof text - 1);
    if (size <= 0) return 0;
    text[size] = '\0';
    long pid = strtol(text, NULL, 10);
    return pid > 0 ? (pid_t)pid : 0;
}

/* The program ended well: find out which process it left, which may be gone already. */
static int find_process(struct left_process *left, const char *pid_file, struct failure *failure) {
    left->process = read_pid(pid_file);
    if (left->process == 0) return fail(failure, 0, "no process id in %s", pid_file);
    for (size_t i = 0; i < left->early_count; i++) {
        if (left->early[i].pid == left->process) {
            left->process_status = left->early[i].status;
            left->process_ended = true;
        }
    }
    return 0;
}

int adopt_orphans(sigset_t *before, struct failure *failure) {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return fail(failure, errno, "become a subreaper");
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, before);
    int children = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return children >= 0 ? children : fail(failure, errno, "make a signalfd");
}

_Noreturn void end_child(const char *doing) {
    int error = errno;
    dprintf(STDERR_FILENO, "%s: %s\n", doing, strerror(error));
    _exit(error == ENOENT ? 127 : 126);
}

_Noreturn void become_program(char **program, const sigset_t *before) {
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, before, NULL);
    execvp(program[0], program);
    end_child(program[0]);
}

int reap_left(struct left_process *left, const char *pid_file, int *result,
              struct failure *failure) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == left->program) {
            if (exit_status(status) != 0) {
                unlink(pid_file); /* a file there means that the process was started */
                *result = exit_status(status);
                return 1;
            }
            if (find_process(left, pid_file, failure) < 0) return -1;
        } else if (pid == left->process) {
            left->process_status = status;
            left->process_ended = true;
        } else if (left->process == 0 &&
                   left->early_count < sizeof left->early / sizeof *left->early) {
            left->early[left->early_count].pid = pid;
            left->early[left->early_count++].status = status;
        }
    }
    if (left->process_ended) {
        *result = exit_status(left->process_status);
        return 1;
    }
    if (pid < 0 && errno == ECHILD) {
        unlink(pid_file);
        return fail(failure, 0, "process %d is not left to its starter", left->process);
    }
    return 0;
}

void kill_left(const struct left_process *left) {
    kill(-left->program, SIGKILL);
    if (left->process > 0) kill(left->process, SIGKILL);
}
