/* Answers to whoever started the monitor: one JSON object per line, each in one write. */
#pragma once

#include <stddef.h>

#include "../base/failure.h"

/* The fd that an environment variable names, made close-on-exec; -1 when it is not set. */
int inherited_fd(const char *variable, int *fd, struct failure *failure);

/*
 * Writes `{"KEY": NUMBER}` or `{"KEY": NUMBER, "message": "..."}`. The message is cut to what a reader
 * with a 4096-byte buffer takes, and bytes that are no UTF-8 are replaced. A reader that is gone is no
 * error: `*fd` is closed and becomes -1.
 */
void send_answer(int *fd, const char *key, int number, const char *message, size_t size);
