#include "process.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void name_process(struct process *process, pid_t pid) {
    process->pid = pid;
    process->pidfd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
}

void signal_process(const struct process *process, int signal) {
    if (process->pid <= 0 || process->ended) return;
    if (process->pidfd.fd >= 0) syscall(SYS_pidfd_send_signal, process->pidfd.fd, signal, NULL, 0);
    else kill(process->pid, signal);
}

void forget_process(struct process *process) {
    if (process->pidfd.fd >= 0) close(process->pidfd.fd);
    process->pidfd.fd = -1;
}

int exit_number(int wait_status) {
    if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : -1;
}

enum { REAPED_MAX = sizeof((struct reaped *)0)->entries / sizeof *((struct reaped *)0)->entries };

void remember_reaped(struct reaped *reaped, pid_t pid, int status) {
    size_t at = reaped->count++ % REAPED_MAX;
    reaped->entries[at].pid = pid;
    reaped->entries[at].status = status;
}

bool find_reaped(const struct reaped *reaped, pid_t pid, int *status) {
    size_t known = reaped->count < REAPED_MAX ? reaped->count : REAPED_MAX;
    for (size_t i = 0; i < known; i++) {
        if (reaped->entries[i].pid == pid) {
            *status = reaped->entries[i].status;
            return true;
        }
    }
    return false;
}
