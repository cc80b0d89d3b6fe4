/* What the monitor does to its own process. */
#pragma once

#include <sys/types.h>

#include "../base/failure.h"

/* Keeps the numbers of streams that the caller has closed from becoming the log's or a socket's. */
void hold_standard_streams(void);
/* Blocks until the caller lets it go on: any bytes, or the end of the pipe. */
void wait_for_start(int fd);
/* Keeps the kernel from choosing the monitor when memory is short. Returns the score it had. */
int protect_from_oom(void);
void set_oom_score(int score);
/* Goes to the background; the first process writes `pidfile` (or NULL) and ends. */
int detach(const char *pidfile, struct failure *failure);
/* Leaves the caller's session, and unless `keep_streams` its streams. */
enum streams_kept { STREAMS_CLOSED, STREAMS_KEPT };
int settle(enum streams_kept streams, struct failure *failure);
/* Writes a file whole or not at all: under another name, then renamed. */
int write_file(const char *path, const char *text, struct failure *failure);
