#include "control.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "monitor.h"
#include "say.h"

enum { RESIZE = 1, REOPEN_LOG = 2, SIZE_MAX_LINES = 1000 };

/* Reads decimal integers divided by blanks; returns how many there are, at most `most`. */
static int read_integers(const char *line, int *numbers, int most) {
    int count = 0;
    while (count < most) {
        char *end;
        errno = 0;
        long number = strtol(line, &end, 10);
        if (end == line || errno != 0 || number < INT_MIN || number > INT_MAX) return count;
        if (*end != '\0' && *end != ' ' && *end != '\t') return count;
        numbers[count++] = (int)number;
        line = end;
    }
    return count;
}

static void resize(struct monitor *monitor, int height, int width) {
    if (height < 0 || height > SIZE_MAX_LINES || width < 0 || width > SIZE_MAX_LINES) {
        say(SAY_WARNING, "a terminal of %d x %d was refused", height, width);
        return;
    }
    set_terminal_size(monitor, (unsigned short)height, (unsigned short)width);
}

static void control_line(struct monitor *monitor, const char *line) {
    int numbers[3];
    if (read_integers(line, numbers, 3) != 3) {
        say(SAY_WARNING, "control line without three numbers: %s", line);
    } else if (numbers[0] == RESIZE) {
        resize(monitor, numbers[1], numbers[2]);
    } else if (numbers[0] == REOPEN_LOG) {
        reopen_log(&monitor->log);
    } else {
        say(SAY_WARNING, "control line of unknown type: %s", line);
    }
}

static void window_size_line(struct monitor *monitor, const char *line) {
    int numbers[2];
    if (read_integers(line, numbers, 2) == 2) resize(monitor, numbers[0], numbers[1]);
    else say(SAY_WARNING, "window size without two numbers: %s", line);
}

int open_control(struct monitor *monitor, struct failure *failure) {
    struct control *control = &monitor->control;
    const char *bundle = monitor->options.bundle;
    if (make_fifo(&control->winsz, bundle, "winsz", window_size_line, failure) < 0 ||
        make_fifo(&control->ctl, bundle, "ctl", control_line, failure) < 0) {
        return -1;
    }
    if (watch(monitor->loop, &control->ctl.source, EPOLLIN) == 0) return 0;
    return fail(failure, errno, "Failed to watch %s/ctl", bundle);
}

void watch_window_size(struct monitor *monitor) {
    struct source *source = &monitor->control.winsz.source;
    rewatch(monitor->loop, source, EPOLLIN);
}

void remove_control(struct monitor *monitor) {
    static const char *const names[] = {"ctl", "winsz"};
    if (monitor->control.ctl.source.fd < 0) return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", monitor->options.bundle, names[i]) < PATH_MAX) {
            unlink(path);
        }
    }
}
