/* session: a command in a container whose streams lead to a client. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/failure.h"

struct session_request {
    bool hide_unified;      /* -u: no /sys/fs/cgroup/unified for the program */
    bool no_input;          /* -n: the command's stdin is a null device, not ours */
    const char *pid_file;   /* -w: where the program says which process it has left behind */
    const char *console;    /* -t: directory for the socket that the terminal arrives on */
    int cpu;                /* -a: the one that the program and the command run on */
    char **program;         /* its arguments too, ends with NULL */
};

/* The socket through which a runtime hands over a terminal's master. */
struct console {
    int directory; /* O_PATH, or -1 */
    int listener;  /* or -1 */
    char name[32];
    char path[64]; /* short however long the directory's name is; good while this process lives */
};

/* Listens in `directory`. On failure nothing is left open. */
int open_console(struct console *console, const char *directory, struct failure *failure);

/* Takes the terminal's master: an fd, or -1. Output gets carriage returns, as clients expect. */
int accept_console(struct console *console, struct failure *failure);

/* Closes and removes the socket; idempotent. */
void close_console(struct console *console);

/*
 * What comes from crid with a terminal, in frames: a byte for the kind, two for the length (the
 * high one first), and the payload.
 */
enum frame_kind {
    FRAME_INPUT = 'i', /* for the terminal */
    FRAME_SIZE = 's',  /* "COLUMNS ROWS" */
};

/* Frames that are being read. */
struct frames {
    unsigned char head[3];
    size_t head_size;
    size_t left; /* of the payload */
    char size[32]; /* the payload of a FRAME_SIZE */
    size_t size_length;
};

/* Bytes on their way from one fd to the other. */
struct flow {
    char data[32768];
    size_t start, end;
};

/* Whether there is data to write, and room to read into: all of it once everything is written. */
static inline bool flow_has(const struct flow *flow) {
    return flow->start < flow->end;
}
static inline bool flow_wants(const struct flow *flow) {
    return flow->end < sizeof flow->data || !flow_has(flow);
}

/* Carries bytes between our stdio and a terminal until that or the client is gone. */
struct terminal {
    int master;        /* -1 before it has arrived and after it is closed */
    unsigned short columns, rows; /* 0: not told yet */
    struct frames frames;
    struct flow input, output;
    bool closed; /* nobody has it open at the moment */
    bool client_gone;
};

/* What poll is asked, and by which the answers are told apart. */
enum { SIGNALS, CONSOLE, MASTER, INPUT, OUTPUT, FDS };

struct pollfd;

/* Says what is to be waited for. Returns the longest wait in milliseconds, or -1. */
int arm_terminal(const struct terminal *terminal, struct pollfd *fds);

/* Carries what can be carried now. */
void serve_terminal(struct terminal *terminal, const struct pollfd *fds);

/* Takes the master over, and gives it the size that was told already. */
void start_terminal(struct terminal *terminal, int master);

/* Writes all that the terminal still holds, as long as the client takes it. */
void drain_terminal(struct terminal *terminal);

/* Reads what there is from crid: input goes to `terminal`, sizes are set. False when crid is gone. */
bool read_frames(struct terminal *terminal, int fd);

/* Sets the size now, or when the terminal arrives. */
void set_terminal_size(struct terminal *terminal, unsigned short columns, unsigned short rows);
