/* The end: what is left behind of a container, and what runs after it. */
#pragma once

struct monitor;

/* Writes `<persist-dir>/exit`, then `<exit-dir>/<cid>`. */
void write_exit_files(const struct monitor *monitor);
/* Closes every fd but those that are still needed: callers park reserved ports in the monitor. */
void close_foreign_fds(const struct monitor *monitor);
/* Runs --exit-command, after its delay, and waits for it. */
void run_exit_command(const struct monitor *monitor);
