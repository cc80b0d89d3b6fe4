#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void record_failure(struct failure *failure, int error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    failure->error = error;
    if (error != 0 && length >= 0 && (size_t)length < sizeof failure->text) {
        snprintf(failure->text + length, sizeof failure->text - (size_t)length, ": %s",
                 strerror(error));
    }
}
