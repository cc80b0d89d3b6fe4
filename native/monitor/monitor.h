/*
 * monitor: watches one container from its creation to its end. It starts the OCI runtime, holds the
 * container's streams and terminal, writes the log, serves attach clients, and records how it ended.
 *
 * From the moment the container runs nothing here may end the process: not a client, a full disk, a bad
 * control line or a signal. Functions that can fail then say so in the log and leave things as they were.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "attach.h"
#include "control.h"
#include "input.h"
#include "last_words.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "oom.h"
#include "options.h"
#include "output.h"
#include "process.h"
#include "sync.h"
#include "terminal.h"

struct monitor {
    struct options options;
    int loop;
    sigset_t signals_before;
    int oom_score_before; /* what the runtime gets back */
    pid_t first_pid;      /* that the caller knows, before the monitor went to the background */

    int sync_fd;   /* answers; -1: nobody asked */
    int start_fd;  /* -1, or closed once nothing more is to come */
    int attach_fd; /* told when the attach socket listens */

    struct source signals;
    struct source timer; /* of --timeout */
    struct process runtime;
    struct process container;
    struct reaped reaped;
    struct last_words *last_words;
    bool timed_out;
    int64_t give_up_at; /* ms, after a timeout; 0: not yet */
    bool used; /* events came since buffers were last given back */
    int status; /* of the container, as the exit file has it; -1: unknown */

    struct terminal terminal;
    struct output out;
    struct output err;
    struct input input;
    struct log log;
    struct attach attach;
    struct control control;
    struct notify notify;
    struct oom oom;
};
