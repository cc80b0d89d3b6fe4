#include "exit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor.h"
#include "say.h"
#include "self.h"

static void write_exit_file(const char *directory, const char *name, int status) {
    struct failure failure;
    char path[PATH_MAX], text[16];
    if (directory == NULL) return;
    snprintf(text, sizeof text, "%d", status);
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= PATH_MAX) return;
    if (write_file(path, text, &failure) < 0) say(SAY_ERROR, "%s", failure.text);
}

void write_exit_files(const struct monitor *monitor) {
    const struct options *options = &monitor->options;
    write_exit_file(options->persist_dir, "exit", monitor->status);
    write_exit_file(options->exit_dir, options->cid, monitor->status);
}

static int by_number(const void *one, const void *other) {
    return *(const int *)one - *(const int *)other;
}

static void close_between(int first, int last) {
    if (first <= last) syscall(SYS_close_range, (unsigned)first, (unsigned)last, 0);
}

void close_foreign_fds(const struct monitor *monitor) {
    /* Clients' sockets are needed until they have got the rest. */
    int kept[8 + 64];
    size_t count = 0;
    kept[count++] = monitor->loop;
    kept[count++] = monitor->sync_fd;
    kept[count++] = monitor->log.file.fd;
    kept[count++] = monitor->log.journal.fd;
    kept[count++] = monitor->attach.listener.fd;
    for (const struct client *client = monitor->attach.clients; client != NULL;
         client = client->next) {
        if (count < sizeof kept / sizeof *kept) kept[count++] = client->source.fd;
    }
    qsort(kept, count, sizeof *kept, by_number);
    int next = 3;
    for (size_t i = 0; i < count; i++) {
        if (kept[i] < next) continue;
        close_between(next, kept[i] - 1);
        next = kept[i] + 1;
    }
    close_between(next, INT_MAX);
}

static _Noreturn void become_exit_command(const struct monitor *monitor) {
    const struct options *options = &monitor->options;
    size_t count = options->exit_command_args.count;
    const char **words = calloc(count + 2, sizeof *words);
    if (words == NULL) _exit(127);
    words[0] = options->exit_command;
    for (size_t i = 0; i < count; i++) words[i + 1] = options->exit_command_args.items[i];
    sigprocmask(SIG_SETMASK, &monitor->signals_before, NULL);
    signal(SIGPIPE, SIG_DFL);
    set_oom_score(monitor->oom_score_before);
    if (options->exit_delay > 0) sleep((unsigned)options->exit_delay);
    execv(options->exit_command, (char *const *)(uintptr_t)words);
    _exit(127);
}

void run_exit_command(const struct monitor *monitor) {
    if (monitor->options.exit_command == NULL) return;
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    pid_t pid = fork();
    if (pid == 0) become_exit_command(monitor);
    if (pid < 0) say(SAY_ERROR, "Failed to fork for the exit command: %s", strerror(errno));
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}
