#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "start.h"

/* What is known so far of the program and of the process it leaves behind. */
struct progress {
    pid_t program;
    pid_t process;       /* 0 until the program has ended well */
    int process_status;  /* wait status, valid with `process_ended` */
    bool process_ended;
    /* Orphans that ended before the program did: one of them may be the process. */
    struct {
        pid_t pid;
        int status;
    } early[16];
    size_t early_count;
};

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
static int find_process(const struct start_request *request, struct progress *progress,
                        struct failure *failure) {
    progress->process = read_pid(request->pid_file);
    if (progress->process == 0) return fail(failure, 0, "no process id in %s", request->pid_file);
    if (request->cgroup != NULL) join_cgroup(request->cgroup, progress->process);
    for (size_t i = 0; i < progress->early_count; i++) {
        if (progress->early[i].pid == progress->process) {
            progress->process_status = progress->early[i].status;
            progress->process_ended = true;
        }
    }
    return 0;
}

/* Reaps all that has ended. 1: the end, with `*result` set; 0: go on waiting; -1: failed. */
static int reap(const struct start_request *request, struct progress *progress, int *result,
                struct failure *failure) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == progress->program) {
            if (exit_status(status) != 0) {
                unlink(request->pid_file); /* a file there means that the process was started */
                *result = exit_status(status);
                return 1;
            }
            if (find_process(request, progress, failure) < 0) return -1;
        } else if (pid == progress->process) {
            progress->process_status = status;
            progress->process_ended = true;
        } else if (progress->process == 0 &&
                   progress->early_count < sizeof progress->early / sizeof *progress->early) {
            progress->early[progress->early_count].pid = pid;
            progress->early[progress->early_count++].status = status;
        }
    }
    if (progress->process_ended) {
        *result = exit_status(progress->process_status);
        return 1;
    }
    if (pid < 0 && errno == ECHILD) {
        unlink(request->pid_file);
        return fail(failure, 0, "process %d is not left to its starter", progress->process);
    }
    return 0;
}

static void kill_all(const struct progress *progress) {
    kill(-progress->program, SIGKILL);
    if (progress->process > 0) kill(progress->process, SIGKILL);
}

static pid_t run_program(char **program, const sigset_t *mask) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, mask, NULL);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) _exit(126);
    if (null > STDERR_FILENO) close(null);
    execvp(program[0], program);
    _exit(errno == ENOENT ? 127 : 126);
}

int run_and_wait(const struct start_request *request, struct failure *failure) {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return fail(failure, errno, "become a subreaper");
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, &before);
    _cleanup_close_ int children = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children < 0) return fail(failure, errno, "make a signalfd");

    struct progress progress = {.program = run_program(request->program, &before)};
    if (progress.program < 0) return fail(failure, errno, "fork");
    setpgid(progress.program, progress.program); /* whichever of the two comes first */

    struct pollfd fds[] = {{.fd = children, .events = POLLIN}, {.fd = STDIN_FILENO}};
    for (;;) {
        int result;
        int end = reap(request, &progress, &result, failure);
        if (end != 0) return end > 0 ? result : -1;
        if (poll(fds, 2, -1) < 0 && errno != EINTR) return fail(failure, errno, "poll");
        if (fds[1].revents & (POLLHUP | POLLERR)) {
            kill_all(&progress);
            fds[1].fd = -1; /* now only the end is waited for */
        }
        struct signalfd_siginfo info;
        while (read(children, &info, sizeof info) > 0) continue;
    }
}
