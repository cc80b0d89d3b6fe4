/* What went wrong: written once where it happens, handed up, printed once by the program. */
#pragma once

struct failure {
    int error; /* errno, or 0 when the text says it all */
    char text[1024];
};

/* Records a failure; is -1. The text of `error` (the second argument) is appended unless it is 0. */
#define fail(...) (record_failure(__VA_ARGS__), -1)

void record_failure(struct failure *failure, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
