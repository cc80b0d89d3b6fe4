#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/null_device.h"
#include "monitor.h"
#include "self.h"

/* Room for the fixed words of any command line, besides the caller's lists. */
enum { FIXED_WORDS = 24 };

struct line {
    const char **words;
    size_t count;
};

static void add(struct line *line, const char *word) {
    line->words[line->count++] = word;
}

static void add_pair(struct line *line, const char *option, const char *value) {
    add(line, option);
    add(line, value);
}

static void add_all(struct line *line, const struct words *words) {
    for (size_t i = 0; i < words->count; i++) add(line, words->items[i]);
}

static void add_create(struct line *line, const struct options *options) {
    add(line, options->restore != NULL ? "restore" : "create");
    add_pair(line, "--bundle", options->bundle);
    add_pair(line, "--pid-file", options->container_pidfile);
    if (options->no_pivot) add(line, "--no-pivot");
    if (options->no_new_keyring) add(line, "--no-new-keyring");
    if (options->restore != NULL) {
        add(line, "--detach");
        add_pair(line, "--image-path", options->restore);
        add_pair(line, "--work-path", options->bundle);
    }
}

static void add_exec(struct line *line, const struct options *options) {
    add(line, "exec");
    add_pair(line, "--pid-file", options->container_pidfile);
    add_pair(line, "--process", options->exec_process_spec);
    add(line, "--detach");
}

static const char **command_line(const struct monitor *monitor) {
    const struct options *options = &monitor->options;
    size_t size = FIXED_WORDS + options->runtime_args.count + options->runtime_opts.count;
    struct line line = {.words = calloc(size, sizeof *line.words)};
    if (line.words == NULL) return NULL;
    add(&line, options->runtime);
    if (options->systemd_cgroup && !options->exec) add(&line, "--systemd-cgroup");
    add_all(&line, &options->runtime_args);
    if (options->exec) add_exec(&line, options);
    else add_create(&line, options);
    add_all(&line, &options->runtime_opts);
    if (options->terminal) add_pair(&line, "--console-socket", monitor->terminal.path);
    add(&line, options->cid);
    return line.words;
}

/*
 * The runtime's ends of the container's streams. Those that are -1 are `null`; with passthrough all of
 * them are ours.
 */
struct streams {
    int null, input, output, errors;
};

static void close_streams(struct streams *streams) {
    close_fd_in(&streams->null);
    close_fd_in(&streams->input);
    close_fd_in(&streams->output);
    close_fd_in(&streams->errors);
}

/* Opened by a container's own user through /proc/self/fd, so anybody may. */
static int make_pipe(int *ours, int *theirs, int their_end, struct failure *failure) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return fail(failure, errno, "Failed to create a pipe");
    *theirs = ends[their_end];
    *ours = ends[1 - their_end];
    fchmod(*theirs, 0777);
    return 0;
}

static int open_streams(struct monitor *monitor, struct streams *streams, struct failure *failure) {
    const struct options *options = &monitor->options;
    int ours;
    if (options->terminal && open_console_socket(monitor, failure) < 0) return -1;
    if (options->stdin_pipe && !options->terminal) {
        if (make_pipe(&ours, &streams->input, 0, failure) < 0) return -1;
        open_input(monitor, ours);
    }
    if (monitor->log.passthrough) return 0;
    streams->null = open_null_device();
    if (streams->null < 0) return fail(failure, errno, "Failed to open a null device");
    if (!options->terminal) {
        if (make_pipe(&ours, &streams->output, 1, failure) < 0) return -1;
        if (watch_output(monitor, &monitor->out, ours) < 0) return fail(failure, errno, "epoll");
    }
    /* With a terminal too: the runtime's own errors come this way. */
    if (make_pipe(&ours, &streams->errors, 1, failure) < 0) return -1;
    monitor->err.overheard = true;
    monitor->err.kept_back = true;
    if (watch_output(monitor, &monitor->err, ours) < 0) return fail(failure, errno, "epoll");
    return 0;
}

static void put(const struct streams *streams, int fd, int target) {
    if (dup2(fd < 0 ? streams->null : fd, target) < 0) _exit(127);
}

static void set_listen_pid(const struct options *options, pid_t first_pid) {
    const char *listen_pid = getenv("LISTEN_PID");
    if (listen_pid == NULL) return;
    if (!options->replace_listen_pid && atoi(listen_pid) != (int)first_pid) return;
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
}

static _Noreturn void become_runtime(const struct monitor *monitor, const struct streams *streams,
                                     const char **command, pid_t parent) {
    const struct options *options = &monitor->options;
    /* A dying monitor takes the runtime with it, not the container. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) _exit(127);
    sigprocmask(SIG_SETMASK, &monitor->signals_before, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (!monitor->log.passthrough) {
        put(streams, streams->input, STDIN_FILENO);
        put(streams, streams->output, STDOUT_FILENO);
        put(streams, streams->errors, STDERR_FILENO);
    }
    if (options->exec_attach && monitor->start_fd >= 0) wait_for_start(monitor->start_fd);
    set_oom_score(monitor->oom_score_before);
    set_listen_pid(options, monitor->first_pid);
    execv(options->runtime, (char *const *)(uintptr_t)command);
    dprintf(STDERR_FILENO, "Failed to execute %s: %s\n", options->runtime, strerror(errno));
    _exit(127);
}

int start_runtime(struct monitor *monitor, struct failure *failure) {
    __attribute__((cleanup(close_streams))) struct streams streams = {-1, -1, -1, -1};
    if (open_streams(monitor, &streams, failure) < 0) return -1;
    _cleanup_free_ const char **command = command_line(monitor);
    if (command == NULL) return fail(failure, 0, "out of memory");
    /* A number in the file then is this runtime's, whoever made the file. */
    if (truncate(monitor->options.container_pidfile, 0) < 0 && errno != ENOENT) {
        return fail(failure, errno, "Failed to empty %s", monitor->options.container_pidfile);
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) return fail(failure, errno, "Failed to fork the runtime");
    if (pid == 0) become_runtime(monitor, &streams, command, parent);
    close_fd_in(&monitor->start_fd);
    monitor->start_fd = -1;
    name_process(&monitor->runtime, pid);
    return 0;
}

int read_container_pid(const struct monitor *monitor) {
    _cleanup_close_ int fd = open(monitor->options.container_pidfile, O_RDONLY | O_CLOEXEC);
    char text[32];
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (size <= 0) return 0;
    text[size] = '\0';
    long pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= 1 << 22 ? (int)pid : 0;
}
