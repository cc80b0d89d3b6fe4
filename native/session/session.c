/*
 * session [-u] -w PIDFILE [-t DIRECTORY] -- PROGRAM [ARGUMENT...]
 *
 * Runs a detaching OCI runtime that starts a command on our stdin, stdout and stderr, and ends as the
 * command does. With -t the command gets a terminal: the runtime hands it over on a socket in
 * DIRECTORY, whose path takes the place of the argument "{console}", and bytes are carried between
 * it and our stdin and stdout. When crid is gone, so is the terminal, and the command is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/programs.h"
#include "../start/left.h"
#include "../start/start.h"
#include "session.h"

static int parse(int argc, char **argv, struct session_request *request, struct failure *failure) {
    int option;
    while ((option = getopt(argc, argv, "+t:uw:")) != -1) {
        if (option == 't') request->console = optarg;
        else if (option == 'u') request->hide_unified = true;
        else if (option == 'w') request->pid_file = optarg;
        else return fail(failure, 0, "unknown option");
    }
    if (optind >= argc) return fail(failure, 0, "no program given");
    if (request->pid_file == NULL) return fail(failure, 0, "-w is missing");
    request->program = argv + optind;
    return 0;
}

/* With a terminal the runtime has no use for our stdin and stdout; it must not hold them either. */
static pid_t run_program(const struct session_request *request, const sigset_t *mask, int null) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, mask, NULL);
    if (request->console != NULL &&
        (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)) {
        _exit(126);
    }
    execvp(request->program[0], request->program);
    _exit(errno == ENOENT ? 127 : 126);
}

/* One line of the control stream; what is no size is ignored. */
static void obey(struct terminal *terminal, const char *line) {
    unsigned columns, rows;
    if (sscanf(line, "%u %u", &columns, &rows) != 2) return;
    if (columns <= 0xffff && rows <= 0xffff) {
        set_terminal_size(terminal, (unsigned short)columns, (unsigned short)rows);
    }
}

/* Returns false when crid is gone. */
static bool read_control(struct terminal *terminal) {
    static char line[64];
    static size_t length;
    char data[256];
    ssize_t size = read(CONTROL_FD, data, sizeof data);
    if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
    for (ssize_t i = 0; i < size; i++) {
        if (data[i] != '\n') {
            if (length < sizeof line - 1) line[length++] = data[i];
            continue;
        }
        line[length] = '\0';
        length = 0;
        obey(terminal, line);
    }
    return true;
}

static void say_started(pid_t pid) {
    char text[32];
    int length = snprintf(text, sizeof text, "%d\n", pid);
    if (write(CONTROL_FD, text, (size_t)length) < 0) return; /* crid is gone: poll tells */
}

/* Everything about the one session that this process serves. */
struct session {
    struct session_request request;
    struct console console;
    struct left_process left;
    struct terminal terminal;
    int children; /* signalfd */
    int null;
    bool told; /* that the command runs */
};

static int take_terminal(struct session *session, struct failure *failure) {
    struct terminal *terminal = &session->terminal;
    terminal->master = accept_console(&session->console, failure);
    if (terminal->master < 0) return -1;
    set_terminal_size(terminal, terminal->columns, terminal->rows);
    if (terminal->client_gone) hang_up(terminal);
    return 0;
}

/* The command runs, or has run. */
static void tell_started(struct session *session) {
    if (session->told || session->left.process == 0) return;
    session->told = true;
    say_started(session->left.process);
    /* Those who wait for the end of stderr wait for the command, not for us. */
    dup2(session->null, STDERR_FILENO);
}

/* Runs until the command has ended; the exit status, or -1. */
static int serve(struct session *session, struct failure *failure) {
    struct console *console = &session->console;
    struct terminal *terminal = &session->terminal;
    struct pollfd fds[FDS] = {
        [CHILDREN] = {.fd = session->children, .events = POLLIN},
        [CONTROL] = {.fd = CONTROL_FD, .events = POLLIN},
    };
    for (;;) {
        int result;
        int end = reap_left(&session->left, session->request.pid_file, &result, failure);
        tell_started(session);
        if (end < 0) return -1;
        if (end > 0) {
            /* The terminal may be waiting still when the command was quick. */
            if (session->told && console->listener >= 0) take_terminal(session, failure);
            drain_terminal(terminal);
            return result;
        }
        fds[CONSOLE] = (struct pollfd){.fd = console->listener, .events = POLLIN};
        if (poll(fds, FDS, arm_terminal(terminal, fds)) < 0) {
            if (errno == EINTR) continue;
            return fail(failure, errno, "poll");
        }
        struct signalfd_siginfo info;
        while (read(session->children, &info, sizeof info) > 0) continue;
        if (fds[CONSOLE].revents != 0 && take_terminal(session, failure) < 0) {
            kill_left(&session->left);
            return -1;
        }
        serve_terminal(terminal, fds);
        if (fds[CONTROL].revents != 0 && !read_control(terminal)) {
            fds[CONTROL].fd = -1;
            hang_up(terminal);
        }
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

static int run_session(struct session *session, struct failure *failure) {
    if (fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0) return fail(failure, errno, "control stream");
    session->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (session->null < 0) return fail(failure, errno, "open /dev/null");
    setsid(); /* fails only for the leader of a group, which has what it needs */
    if (session->request.hide_unified && hide_unified(failure) < 0) return -1;
    if (open_console_for(session, failure) < 0) return -1;
    sigset_t before;
    session->children = adopt_orphans(&before, failure);
    if (session->children < 0) return -1;
    pid_t program = run_program(&session->request, &before, session->null);
    if (program < 0) return fail(failure, errno, "fork");
    setpgid(program, program); /* whichever of the two comes first */
    session->left.program = program;
    signal(SIGPIPE, SIG_IGN);
    if (prepare_streams(session, failure) < 0) return -1;
    return serve(session, failure);
}

int session_main(int argc, char **argv) {
    static struct session session = {
        .console = {.directory = -1, .listener = -1},
        .terminal = {.master = -1},
    };
    struct failure failure = {0};
    int status = parse(argc, argv, &session.request, &failure);
    if (status == 0) status = run_session(&session, &failure);
    close_console(&session.console);
    if (status >= 0) return status;
    fprintf(stderr, "session: %s\n", failure.text);
    return failure.error == ENOENT ? 127 : 126;
}
