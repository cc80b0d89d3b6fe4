/*
 * session [-u] [-n] [-a CPU] -w PIDFILE [-t DIRECTORY] -- PROGRAM [ARGUMENT...]
 *
 * Runs a detaching OCI runtime that starts a command on our stdin, stdout and stderr, and ends as the
 * command does; SIGTERM kills it. When the runtime fails, PIDFILE is gone and we end as it does. With
 * -n the command has no input.
 *
 * With -t the command gets a terminal: the runtime hands it over on a socket in DIRECTORY, whose path
 * takes the place of the argument "{console}". Our stdin is frames then (see session.h), its end and
 * that of stdout's reader hang the terminal up; only the runtime writes to stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/null_device.h"
#include "../base/programs.h"
#include "../start/affinity.h"
#include "../start/left.h"
#include "../start/start.h"
#include "session.h"

/* Everything about the one session that this process serves. */
struct session {
    struct session_request request;
    struct console console;
    struct left_process left;
    struct terminal terminal;
    int signals; /* signalfd */
    int null;
    bool started; /* the command runs, or has run */
    bool killing;
};

static int parse(int argc, char **argv, struct session_request *request, struct failure *failure) {
    int option;
    while ((option = getopt(argc, argv, "+a:nt:uw:")) != -1) {
        if (option == 't') request->console = optarg;
        else if (option == 'u') request->hide_unified = true;
        else if (option == 'n') request->no_input = true;
        else if (option == 'w') request->pid_file = optarg;
        else if (option != 'a') return fail(failure, 0, "unknown option");
        else if (parse_cpu(optarg, &request->cpu, failure) < 0) return -1;
    }
    if (optind >= argc) return fail(failure, 0, "no program given");
    if (request->pid_file == NULL) return fail(failure, 0, "-w is missing");
    request->program = argv + optind;
    return 0;
}

/*
 * The program's streams. With a terminal it has no use for our stdin and stdout; it must not hold them
 * either.
 */
static int set_streams(const struct session_request *request) {
    bool has_terminal = request->console != NULL;
    if ((has_terminal || request->no_input) && take_null_input() < 0) return -1;
    return has_terminal ? dup2(STDERR_FILENO, STDOUT_FILENO) : 0;
}

static pid_t run_program(const struct session *session, const sigset_t *mask) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    if (set_streams(&session->request) < 0) end_child("prepare the streams");
    become_program(session->request.program, mask);
}

static int take_terminal(struct session *session, struct failure *failure) {
    int master = accept_console(&session->console, failure);
    if (master < 0) return -1;
    start_terminal(&session->terminal, master);
    return 0;
}

static void read_signals(struct session *session) {
    struct signalfd_siginfo info;
    while (read(session->signals, &info, sizeof info) > 0) {
        if (info.ssi_signo == SIGTERM) session->killing = true;
    }
    if (session->killing) kill_left(&session->left);
}

/* Reaps; when the command has come to life, those who wait for the end of stderr wait for it alone. */
static int reap(struct session *session, int *result, struct failure *failure) {
    int end = reap_left(&session->left, session->request.pid_file, result, failure);
    if (session->started || session->left.process == 0) return end;
    session->started = true;
    pin_to_cpu(session->left.process, session->request.cpu);
    dup2(session->null, STDERR_FILENO);
    if (session->killing) kill_left(&session->left);
    return end;
}

/* Runs until the command has ended; the exit status, or -1. */
static int serve(struct session *session, struct failure *failure) {
    struct console *console = &session->console;
    struct terminal *terminal = &session->terminal;
    struct pollfd fds[FDS] = {[SIGNALS] = {.fd = session->signals, .events = POLLIN}};
    bool has_terminal = session->request.console != NULL;
    for (;;) {
        int result;
        int end = reap(session, &result, failure);
        if (end < 0) return -1;
        if (end > 0) {
            /* The terminal may be waiting still when the command was quick, or has failed on it. */
            if (console->listener >= 0) take_terminal(session, failure);
            drain_terminal(terminal);
            return result;
        }
        fds[CONSOLE] = (struct pollfd){.fd = console->listener, .events = POLLIN};
        int wait = has_terminal ? arm_terminal(terminal, fds) : -1;
        if (poll(fds, has_terminal ? FDS : CONSOLE, wait) < 0) {
            if (errno == EINTR) continue;
            return fail(failure, errno, "poll");
        }
        read_signals(session);
        if (!has_terminal) continue;
        if (fds[CONSOLE].revents != 0 && take_terminal(session, failure) < 0) {
            kill_left(&session->left);
            return -1;
        }
        serve_terminal(terminal, fds);
    }
}

/* Without a terminal the command alone holds its streams, so that their ends are its. */
static int prepare_streams(const struct session *session, struct failure *failure) {
    if (session->request.console == NULL) {
        if (dup2(session->null, STDIN_FILENO) < 0 || dup2(session->null, STDOUT_FILENO) < 0) {
            return fail(failure, errno, "let go of the streams");
        }
    } else if (fcntl(STDIN_FILENO, F_SETFL, O_RDONLY | O_NONBLOCK) < 0 ||
               fcntl(STDOUT_FILENO, F_SETFL, O_WRONLY | O_NONBLOCK) < 0) {
        return fail(failure, errno, "prepare the streams");
    }
    return 0;
}

static int open_console_for(struct session *session, struct failure *failure) {
    const struct session_request *request = &session->request;
    if (request->console == NULL) return 0;
    if (open_console(&session->console, request->console, failure) < 0) return -1;
    for (char **argument = request->program; *argument != NULL; argument++) {
        if (strcmp(*argument, "{console}") == 0) *argument = session->console.path;
    }
    return 0;
}

static int open_signals(struct session *session, sigset_t *before, struct failure *failure) {
    session->signals = adopt_orphans(before, failure);
    if (session->signals < 0) return -1;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    if (signalfd(session->signals, &mask, 0) >= 0) return 0;
    return fail(failure, errno, "listen for SIGTERM");
}

static int run_session(struct session *session, struct failure *failure) {
    session->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (session->null < 0) return fail(failure, errno, "open /dev/null");
    setsid(); /* fails only for the leader of a group, which has what it needs */
    pin_to_cpu(0, session->request.cpu);
    if (session->request.hide_unified && hide_unified(failure) < 0) return -1;
    if (open_console_for(session, failure) < 0) return -1;
    sigset_t before;
    if (open_signals(session, &before, failure) < 0) return -1;
    pid_t program = run_program(session, &before);
    if (program < 0) return fail(failure, errno, "fork");
    setpgid(program, program); /* whichever of the two comes first */
    session->left.program = program;
    signal(SIGPIPE, SIG_IGN);
    if (prepare_streams(session, failure) < 0) return -1;
    return serve(session, failure);
}

int session_main(int argc, char **argv) {
    static struct session session; /* without a value: zeros are not in the file */
    session.request.cpu = ANY_CPU;
    session.console.directory = session.console.listener = session.terminal.master = -1;
    struct failure failure = {0};
    int status = parse(argc, argv, &session.request, &failure);
    if (status == 0) status = run_session(&session, &failure);
    close_console(&session.console);
    if (status >= 0) return status;
    fprintf(stderr, "session: %s\n", failure.text);
    return failure.error == ENOENT ? 127 : 126;
}
