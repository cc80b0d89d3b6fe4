/* The OCI runtime: its command line, its streams, its start. */
#pragma once

#include "../base/failure.h"

struct monitor;

/* Makes pipes or the console socket and starts `runtime create` (restore, exec). */
int start_runtime(struct monitor *monitor, struct failure *failure);
/* The pid that the runtime has written, 0 when it has not. */
int read_container_pid(const struct monitor *monitor);
