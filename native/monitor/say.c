#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../base/cleanup.h"

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
}

/*
 * Not by syslog(3), which waits for a log daemon that hangs, and the container would wait with it.
 * Messages are few: no socket is kept for them.
 */
static void send_to_syslog(int priority, const char *text) {
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return;
    char message[1400], stamp[32];
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(stamp, sizeof stamp, "%b %e %T", &local);
    int size = snprintf(message, sizeof message, "<%d>%s conmon[%d]: conmon %.20s: %s",
                        LOG_DAEMON | priority, stamp, (int)getpid(), syslog_id, text);
    if (size > 0) send(fd, message, (size_t)size, MSG_NOSIGNAL);
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
    if (syslog_id != NULL) send_to_syslog(priorities[severity], text);
}
