/* The monitor's own messages: to stderr while it has one, and to syslog if asked to. */
#pragma once

#include <stdbool.h>

enum severity { SAY_ERROR, SAY_WARNING, SAY_INFO, SAY_DEBUG };

/* `level` is the word of --log-level, or NULL. False when there is no such level. */
bool set_severity(const char *level);
void say_to_syslog(const char *cid);
void say(enum severity severity, const char *format, ...) __attribute__((format(printf, 2, 3)));
