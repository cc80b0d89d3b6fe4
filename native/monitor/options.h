/* The monitor's command line, which is conmon's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/failure.h"

struct words {
    const char **items;
    size_t count;
};

struct options {
    /* What to run. */
    const char *cid;
    const char *cuuid;
    const char *name;
    const char *bundle; /* NULL in exec mode without --bundle */
    const char *runtime;
    struct words runtime_args;
    struct words runtime_opts;
    const char *restore;
    const char *exec_process_spec;
    bool exec;
    bool exec_attach;
    bool systemd_cgroup;
    bool no_pivot;
    bool no_new_keyring;
    bool replace_listen_pid;
    int timeout; /* seconds, 0: none */

    /* Its standard streams. */
    bool terminal;
    bool stdin_pipe;
    bool leave_stdin_open;

    /* What is told to whom. */
    bool api_version;
    bool sync;
    const char *container_pidfile;
    const char *conmon_pidfile;
    const char *exit_dir;
    const char *persist_dir;
    const char *socket_dir;
    bool full_attach;
    const char *sdnotify_socket;
    const char *exit_command;
    struct words exit_command_args;
    int exit_delay; /* seconds */

    /* Logs. */
    struct words log_paths;
    int64_t log_size_max; /* bytes, 0 or less: none */
    int64_t log_global_size_max;
    bool log_rotate;
    int log_max_files;
    struct words log_allowlist_dirs;
    const char *log_tag;
    struct words log_labels;
    bool no_container_partial_message;
    bool no_sync_log;
    const char *log_level;
    bool syslog;

    bool version;
    bool help;
};

/* Reads the command line. Lists are allocated and live as long as the process. */
int parse_monitor_options(int argc, char **argv, struct options *options, struct failure *failure);
/* Checks what belongs together and fills in what follows from it. */
int check_monitor_options(struct options *options, struct failure *failure);
void print_monitor_help(void);
