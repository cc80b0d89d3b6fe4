/*
 * start [-k] [-p] [-j CGROUP] [-u] [-a CPU] [-w PIDFILE [-c CGROUP]] -- PROGRAM [ARGUMENT...]
 *
 * Runs PROGRAM in a session of its own. Forking from crid copies the page tables of a JavaScript
 * runtime, some milliseconds each time; crid starts this with vfork and it does the rest.
 */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../base/programs.h"
#include "affinity.h"

int parse_start(int argc, char **argv, struct start_request *request, struct failure *failure) {
    int option;
    while ((option = getopt(argc, argv, "+a:c:j:kpuw:")) != -1) {
        if (option == 'k') request->dies_with_parent = true;
        else if (option == 'p') request->pipes = true;
        else if (option == 'u') request->hide_unified = true;
        else if (option == 'w') request->pid_file = optarg;
        else if (option == 'j') request->own_cgroup = optarg;
        else if (option == 'c') request->cgroup = optarg;
        else if (option != 'a') return fail(failure, 0, "unknown option");
        else if (parse_cpu(optarg, &request->cpu, failure) < 0) return -1;
    }
    if (optind >= argc) return fail(failure, 0, "no program given");
    if (request->pipes && request->pid_file != NULL) return fail(failure, 0, "-p and -w together");
    request->program = argv + optind;
    return 0;
}

/* stdout -> 3 (sync), stdin -> 4 (start); /dev/null in their places. */
static int move_pipes(struct failure *failure) {
    if (dup2(STDOUT_FILENO, 3) < 0 || dup2(STDIN_FILENO, 4) < 0) {
        return fail(failure, errno, "move the pipes to fds 3 and 4");
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return fail(failure, errno, "open /dev/null");
    if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0) {
        return fail(failure, errno, "put /dev/null in the place of the pipes");
    }
    return 0;
}

static int start(int argc, char **argv, struct failure *failure) {
    struct start_request request = {.cpu = ANY_CPU};
    pid_t parent = getppid();
    if (parse_start(argc, argv, &request, failure) < 0) return -1;
    if (request.dies_with_parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return fail(failure, errno, "die with the parent");
        /* It may have ended before the kernel knew what to do then. */
        if (getppid() != parent) return fail(failure, 0, "the parent has ended");
    }
    setsid(); /* fails only for the leader of a group, which has what it needs */
    if (request.own_cgroup != NULL) join_cgroup(request.own_cgroup, getpid());
    pin_to_cpu(0, request.cpu);
    if (request.hide_unified && hide_unified(failure) < 0) return -1;
    if (request.pid_file != NULL) return run_and_wait(&request, failure);
    if (request.pipes && move_pipes(failure) < 0) return -1;
    execvp(request.program[0], request.program);
    return fail(failure, errno, "run %s", request.program[0]);
}

int start_main(int argc, char **argv) {
    struct failure failure = {0};
    int status = start(argc, argv, &failure);
    if (status >= 0) return status;
    fprintf(stderr, "start: %s\n", failure.text);
    return failure.error == ENOENT ? 127 : 126;
}
