/* Processes that are named by a pidfd, so that a reused pid is never signalled. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "loop.h"

struct process {
    pid_t pid;           /* 0: not started */
    struct source pidfd; /* its fd is -1 where the kernel has none */
    bool ended;
    int status; /* exit code, or 128 + signal, or -1 when it cannot be known */
};

/* Children that ended before anybody knew what they were. */
struct reaped {
    struct {
        pid_t pid;
        int status;
    } entries[32];
    size_t count; /* in all; the oldest are overwritten */
};

void name_process(struct process *process, pid_t pid);
void signal_process(const struct process *process, int signal);
void forget_process(struct process *process);

int exit_number(int wait_status);
void remember_reaped(struct reaped *reaped, pid_t pid, int status);
bool find_reaped(const struct reaped *reaped, pid_t pid, int *status);

/*
 * Kills a process, its process group, its session and all descendants, also those with a session of
 * their own; then waits for the descendants' ends, which nobody else reports.
 */
void kill_tree(const struct process *process);
