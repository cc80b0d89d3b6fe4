#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "clock.h"
#include "process.h"

/* A process in its turn can fork while it is looked at; stopped ones cannot. Rounds bound a fork bomb. */
enum { TREE_MAX = 4096, ROUNDS_MAX = 16 };

/* How long those that were killed may take to die, all together. */
enum { DYING_MS = 2000 };

struct tree {
    pid_t root;
    pid_t pids[TREE_MAX];
    size_t count;
};

static bool contains(const struct tree *tree, pid_t pid) {
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->pids[i] == pid) return true;
    }
    return false;
}

/* Parent and session of a process, from behind the command name, which may hold anything. */
static int read_stat(pid_t pid, pid_t *parent, pid_t *session) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t size = read(fd, text, sizeof text - 1);
    if (size <= 0) return -1;
    text[size] = '\0';
    const char *end = strrchr(text, ')');
    char state;
    int group;
    if (end == NULL) return -1;
    return sscanf(end + 1, " %c %d %d %d", &state, parent, &group, session) == 4 ? 0 : -1;
}

static void close_directory(DIR **directory) {
    if (*directory != NULL) closedir(*directory);
}

/* Adds and stops whatever descends from the tree; returns how many are new. */
static size_t grow(struct tree *tree) {
    size_t before = tree->count;
    __attribute__((cleanup(close_directory))) DIR *processes = opendir("/proc");
    if (processes == NULL) return 0;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        pid_t pid = (pid_t)atoi(entry->d_name), parent, session;
        if (pid <= 0 || pid == getpid() || tree->count == TREE_MAX || contains(tree, pid)) continue;
        if (read_stat(pid, &parent, &session) < 0) continue;
        if (session != tree->root && !contains(tree, parent)) continue;
        if (kill(pid, SIGSTOP) == 0) tree->pids[tree->count++] = pid;
    }
    return tree->count - before;
}

/* A killed process is not gone at once, and whoever hears of the end relies on that all are. */
static void wait_for_end(pid_t pid, int64_t deadline) {
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int64_t left = deadline - now_ms();
    if (fd >= 0 && left > 0) poll(&ended, 1, (int)left);
}

void kill_tree(const struct process *process) {
    if (process->pid <= 0 || process->ended) return;
    _cleanup_free_ struct tree *tree = calloc(1, sizeof *tree);
    if (tree != NULL) {
        signal_process(process, SIGSTOP);
        tree->root = process->pid;
        tree->pids[tree->count++] = process->pid;
        for (int round = 0; round < ROUNDS_MAX && grow(tree) > 0; round++) continue;
        for (size_t i = 1; i < tree->count; i++) kill(tree->pids[i], SIGKILL);
    }
    kill(-process->pid, SIGKILL);
    signal_process(process, SIGKILL);
    int64_t deadline = now_ms() + DYING_MS;
    for (size_t i = 1; tree != NULL && i < tree->count; i++) wait_for_end(tree->pids[i], deadline);
}
