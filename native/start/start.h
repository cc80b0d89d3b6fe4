/* start: starts a program the way a daemon with a large address space cannot do cheaply itself. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "../base/failure.h"

struct start_request {
    bool dies_with_parent; /* -k: the program is killed when whoever started it ends */
    bool pipes;            /* -p: stdin and stdout become fds 4 and 3 */
    const char *own_cgroup; /* -j: joined before anything else; inherited by all that is started */
    bool hide_unified;     /* -u: no /sys/fs/cgroup/unified for the program */
    const char *pid_file;  /* -w: wait for the process named there */
    const char *cgroup;    /* -c: with -w, the cgroup that the process is moved to */
    int cpu;               /* -a: the one that the program and the process run on */
    char **program;        /* its arguments too, ends with NULL */
};

/* Fills in `request`; on failure the text is for the user. */
int parse_start(int argc, char **argv, struct start_request *request, struct failure *failure);

/* Gives this process a mount namespace of its own without the v2 tree of a hybrid host. */
int hide_unified(struct failure *failure);

/* Moves a process and the children it has already; one that is gone is no failure. */
void join_cgroup(const char *cgroup, pid_t pid);

/*
 * Runs the program, which leaves a process behind and ends; then waits for that process.
 * Returns the exit status to end with, or -1. When stdin closes before that, the starter is gone
 * and the process is killed.
 */
int run_and_wait(const struct start_request *request, struct failure *failure);
