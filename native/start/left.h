/* A program that leaves a process behind and ends, as a detaching OCI runtime does. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "../base/failure.h"

/* What is known so far of the program and of the process it leaves behind. */
struct left_process {
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

/*
 * Becomes the parent of what the program will leave behind, and blocks SIGCHLD. Returns a signalfd
 * for it; the mask as it was is for the program.
 */
int adopt_orphans(sigset_t *before, struct failure *failure);

/*
 * In the forked child: becomes the program, in a group of its own and with the signals that
 * adopt_orphans() has changed. When there is no such program it ends with 127.
 */
_Noreturn void become_program(char **program, const sigset_t *before);

/* In the forked child, after a failure: says which, by errno, and ends. */
_Noreturn void end_child(const char *doing);

/*
 * Reaps all that has ended. 1: the end, with `*result` set to an exit status; 0: go on waiting;
 * -1: failed. The program names the process in `pid_file`, which is removed if it was not started.
 */
int reap_left(struct left_process *left, const char *pid_file, int *result,
              struct failure *failure);

/* Kills the program with its group, and the process. */
void kill_left(const struct left_process *left);
