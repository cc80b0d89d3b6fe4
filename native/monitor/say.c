#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <syslog.h>

/* Set once from the command line; everything else of the monitor is in its own structures. */
static enum severity least = SAY_WARNING;
static const char *syslog_id;

static const struct {
    const char *word;
    enum severity severity;
} levels[] = {
    {"error", SAY_ERROR}, {"fatal", SAY_ERROR}, {"panic", SAY_ERROR}, {"warn", SAY_WARNING},
    {"warning", SAY_WARNING}, {"info", SAY_INFO}, {"debug", SAY_DEBUG}, {"trace", SAY_DEBUG},
};

bool set_severity(const char *level) {
    if (level == NULL) return true;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcasecmp(levels[i].word, level) == 0) {
            least = levels[i].severity;
            return true;
        }
    }
    return false;
}

void say_to_syslog(const char *cid) {
    syslog_id = cid;
    openlog("conmon", LOG_PID, LOG_DAEMON);
}

void say(enum severity severity, const char *format, ...) {
    static const char letters[] = {'e', 'w', 'i', 'd'};
    static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
    if (severity > least) return;
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dprintf(2, "[conmon:%c]: %s\n", letters[severity], text);
    if (syslog_id != NULL) {
        syslog(priorities[severity], "conmon %.20s: %s", syslog_id, text);
    }
}
