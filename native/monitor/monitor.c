#include "monitor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "exit.h"
#include "runtime.h"
#include "say.h"
#include "self.h"
#include "turn.h"

/* What callers look for: `conmon version` and a number that stands for its features. */
#define VERSION_TEXT "conmon version 2.2.1\ncommit: crid"

enum { STATUS_UNKNOWN = -1 };

#define PAGE_ALIGNED __attribute__((aligned(4096)))

static const char *answer_key(const struct options *options) {
    return options->api_version ? "data" : options->exec ? "exit_code" : "pid";
}

static void close_all(struct monitor *monitor) {
    struct source *const sources[] = {
        &monitor->signals,           &monitor->timer,
        &monitor->out.source,        &monitor->err.source,
        &monitor->input.source,      &monitor->control.ctl.source,
        &monitor->notify.source,     &monitor->oom.source,
        &monitor->terminal.listener, &monitor->terminal.connection,
        &monitor->control.winsz.source,
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) drop(monitor->loop, sources[i]);
    forget_process(&monitor->container);
    forget_process(&monitor->runtime);
}

static void begin(struct monitor *monitor) {
    struct source *const sources[] = {
        &monitor->signals,         &monitor->timer,
        &monitor->out.source,      &monitor->err.source,
        &monitor->input.source,    &monitor->control.ctl.source,
        &monitor->notify.source,   &monitor->oom.source,
        &monitor->attach.listener, &monitor->control.winsz.source,
        &monitor->runtime.pidfd,   &monitor->container.pidfd,
        &monitor->terminal.listener, &monitor->terminal.connection,
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) sources[i]->fd = -1;
    monitor->terminal.fd = monitor->terminal.slave = -1;
    monitor->attach.spare_fd = -1;
    monitor->sync_fd = monitor->start_fd = monitor->attach_fd = -1;
    /*
     * Apart from the rest: what an idle monitor needs is in few pages, beside the C library's. The
     * buffers begin with a page, so that all they have used can be given back.
     */
    static char out[OUTPUT_BUFFER_SIZE] PAGE_ALIGNED, err[OUTPUT_BUFFER_SIZE] PAGE_ALIGNED;
    static char log[LOG_BUFFER_SIZE + BUFFER_SLACK] PAGE_ALIGNED;
    static struct last_words last_words;
    monitor->out.buffer = out;
    monitor->err.buffer = err;
    monitor->log.file.buffer = log;
    monitor->last_words = &last_words;
    monitor->out.stream = STREAM_STDOUT;
    monitor->err.stream = STREAM_STDERR;
    monitor->status = STATUS_UNKNOWN;
    monitor->first_pid = getpid();
}

/* What can go wrong while the caller still waits for the first process, and reads its stderr. */
static int prepare(struct monitor *monitor, struct failure *failure) {
    const struct options *options = &monitor->options;
    if (check_monitor_options(&monitor->options, failure) < 0) return -1;
    if (!set_severity(options->log_level)) {
        return fail(failure, 0, "No such log level %s", options->log_level);
    }
    if (options->syslog) say_to_syslog(options->cid);
    if (inherited_fd("_OCI_SYNCPIPE", &monitor->sync_fd, failure) < 0 ||
        inherited_fd("_OCI_STARTPIPE", &monitor->start_fd, failure) < 0 ||
        inherited_fd("_OCI_ATTACHPIPE", &monitor->attach_fd, failure) < 0) {
        return -1;
    }
    if (options->exec_attach && monitor->attach_fd < 0) {
        return fail(failure, 0, "--attach specified but _OCI_ATTACHPIPE was not");
    }
    return open_log(&monitor->log, options, failure);
}

static int open_signals(struct monitor *monitor, struct failure *failure) {
    static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    sigset_t wanted;
    sigemptyset(&wanted);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaddset(&wanted, numbers[i]);
    sigprocmask(SIG_BLOCK, &wanted, &monitor->signals_before);
    monitor->signals = (struct source){.fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK),
                                       .ready = signals_ready};
    if (monitor->signals.fd >= 0 && watch(monitor->loop, &monitor->signals, EPOLLIN) == 0) return 0;
    return fail(failure, errno, "Failed to watch signals");
}

static int set_up(struct monitor *monitor, struct failure *failure) {
    const struct options *options = &monitor->options;
    enum streams_kept streams = monitor->log.passthrough ? STREAMS_KEPT : STREAMS_CLOSED;
    monitor->loop = open_loop();
    if (monitor->loop < 0) return fail(failure, errno, "Failed to create an event loop");
    if (open_notify(monitor, failure) < 0 || settle(streams, failure) < 0 ||
        open_signals(monitor, failure) < 0) {
        return -1;
    }
    if (options->bundle != NULL && !monitor->log.passthrough &&
        (open_attach(monitor, failure) < 0 || open_control(monitor, failure) < 0)) {
        return -1;
    }
    return start_runtime(monitor, failure);
}

/* The runtime has ended: 0 and the container's pid is known, or -1 and why there is none. */
static int judge_runtime(struct monitor *monitor, struct failure *failure) {
    const struct options *options = &monitor->options;
    pid_t pid = read_container_pid(monitor);
    /* An exec whose command has ended already may look failed to its runtime. */
    bool failed = pid == 0 || (monitor->runtime.status != 0 && !options->exec);
    if (failed) return fail(failure, 0, "the runtime ended with %d", monitor->runtime.status);
    name_process(&monitor->container, pid);
    int status;
    if (find_reaped(&monitor->reaped, pid, &status)) {
        monitor->container.ended = true;
        monitor->container.status = exit_number(status);
    } else {
        adopt_container(monitor);
    }
    return 0;
}

static void arm_timeout(struct monitor *monitor) {
    if (monitor->options.timeout <= 0) return;
    struct itimerspec when = {.it_value.tv_sec = monitor->options.timeout};
    monitor->timer = (struct source){.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                     .ready = timeout_ready};
    if (monitor->timer.fd < 0 || timerfd_settime(monitor->timer.fd, 0, &when, NULL) < 0 ||
        watch(monitor->loop, &monitor->timer, EPOLLIN) < 0) {
        say(SAY_ERROR, "Failed to arm the timeout: %s", strerror(errno));
    }
}

static void report_failure(struct monitor *monitor, const struct failure *failure) {
    static char words[FIRST_SIZE + LAST_SIZE + 64];
    drain_output(monitor, &monitor->err);
    size_t size = recall(monitor->last_words, words);
    const char *text = size > 0 ? words : failure->text;
    if (size == 0) size = strlen(failure->text);
    say(SAY_ERROR, "Failed to create container: %s: %.*s", failure->text, (int)size, text);
    send_answer(&monitor->sync_fd, answer_key(&monitor->options), -1, text, size);
}

/* The runtime has sent the terminal before it ended, but nobody may have looked since. */
static void receive_terminal(struct monitor *monitor) {
    if (!monitor->options.terminal) return;
    while (monitor->terminal.fd < 0 && serve_once(monitor->loop, monitor, 0) > 0) continue;
}

static int create(struct monitor *monitor, struct failure *failure) {
    struct options *options = &monitor->options;
    if (set_up(monitor, failure) < 0) return -1;
    if (options->exec_attach) send_answer(&monitor->attach_fd, "data", 0, NULL, 0);
    while (!monitor->runtime.ended) take_turn(monitor);
    forget_process(&monitor->runtime);
    receive_terminal(monitor);
    close_console_socket(monitor);
    if (judge_runtime(monitor, failure) < 0) return -1;
    release_output(monitor, &monitor->err);
    if (!options->exec || options->api_version) {
        send_answer(&monitor->sync_fd, answer_key(options), monitor->container.pid, NULL, 0);
    }
    return 0;
}

static void watch_container(struct monitor *monitor) {
    if (!monitor->options.exec) watch_oom(monitor);
    arm_timeout(monitor);
    give_memory_back(monitor);
    while (!monitor->container.ended && !is_given_up(monitor)) take_turn(monitor);
    if (!monitor->options.exec) check_oom(monitor);
    monitor->status = monitor->timed_out ? STATUS_UNKNOWN : monitor->container.status;
}

/* The exit files come first: callers wait for them, and nothing after them may be needed for them. */
static void finish(struct monitor *monitor) {
    const struct options *options = &monitor->options;
    if (!monitor->timed_out) {
        drain_output(monitor, &monitor->out);
        drain_output(monitor, &monitor->err);
    }
    finish_line(monitor, &monitor->out);
    finish_line(monitor, &monitor->err);
    remove_control(monitor);
    close_all(monitor);
    close_foreign_fds(monitor);
    write_exit_files(monitor);
    if (options->exec) {
        const char *message = monitor->timed_out ? "command timed out" : NULL;
        send_answer(&monitor->sync_fd, answer_key(options), monitor->status, message,
                    message == NULL ? 0 : strlen(message));
    }
    remove_attach(monitor);
    finish_clients(monitor);
    /* An exec's log is read by its caller at once and then thrown away. */
    if (!options->no_sync_log && !options->exec) sync_log(&monitor->log);
}

static int run(struct monitor *monitor) {
    struct failure failure;
    if (create(monitor, &failure) == 0) {
        watch_container(monitor);
        finish(monitor);
    } else {
        report_failure(monitor, &failure);
        close_console_socket(monitor);
        remove_control(monitor);
        remove_attach(monitor);
        close_all(monitor);
    }
    run_exit_command(monitor);
    return monitor->status;
}

static int monitor_process(struct monitor *monitor, struct failure *failure) {
    if (prepare(monitor, failure) < 0) return -1;
    monitor->oom_score_before = protect_from_oom();
    signal(SIGPIPE, SIG_IGN);
    if (monitor->start_fd >= 0) wait_for_start(monitor->start_fd);
    if (!monitor->options.sync && detach(monitor->options.conmon_pidfile, failure) < 0) return -1;
    int status = run(monitor);
    return status < 0 ? 255 : status;
}

int main(int argc, char **argv) {
    static struct monitor monitor PAGE_ALIGNED;
    struct failure failure;
    umask(0022);
    hold_standard_streams();
    begin(&monitor);
    if (parse_monitor_options(argc, argv, &monitor.options, &failure) < 0) {
        fprintf(stderr, "[conmon:e]: option parsing failed: %s\n", failure.text);
        return EXIT_FAILURE;
    }
    if (monitor.options.help) print_monitor_help();
    if (monitor.options.version) puts(VERSION_TEXT);
    if (monitor.options.help || monitor.options.version) return EXIT_SUCCESS;
    int status = monitor_process(&monitor, &failure);
    if (status >= 0) return status;
    fprintf(stderr, "[conmon:e]: %s\n", failure.text);
    return EXIT_FAILURE;
}
