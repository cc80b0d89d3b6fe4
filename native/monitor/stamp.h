/* Time stamps of log lines: RFC 3339 with nanoseconds and the local zone's numeric offset. */
#pragma once

#include <time.h>

enum { STAMP_SIZE = 35 };

/* The parts that change once a second. */
struct stamp {
    time_t second;
    char date[20];  /* YYYY-MM-DDTHH:MM:SS. */
    char offset[6]; /* +HH:MM */
};

/* Writes STAMP_SIZE bytes and no NUL. */
void write_stamp(struct stamp *stamp, char *into);
