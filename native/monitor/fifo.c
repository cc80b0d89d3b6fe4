#include "fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"

static void take_character(struct monitor *monitor, struct fifo *fifo, char character) {
    if (character == '\n') {
        fifo->text[fifo->used] = '\0';
        if (fifo->skipping) say(SAY_WARNING, "a control line was too long");
        else if (fifo->used > 0) fifo->line(monitor, fifo->text);
        fifo->used = 0;
        fifo->skipping = false;
    } else if (fifo->used + 1 < sizeof fifo->text) {
        /* A NUL would hide the rest of the line. */
        fifo->text[fifo->used++] = character == '\0' ? '?' : character;
    } else {
        fifo->skipping = true;
    }
}

static void fifo_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    struct fifo *fifo = (struct fifo *)source;
    char data[1024];
    ssize_t size = read(source->fd, data, sizeof data);
    for (ssize_t i = 0; i < size; i++) take_character(monitor, fifo, data[i]);
}

int make_fifo(struct fifo *fifo, const char *directory, const char *name,
              void (*line)(struct monitor *, const char *), struct failure *failure) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= PATH_MAX) {
        return fail(failure, ENAMETOOLONG, "Failed to create %s in %s", name, directory);
    }
    unlink(path);
    if (mkfifo(path, 0660) < 0) return fail(failure, errno, "Failed to mkfifo at %s", path);
    fifo->source = (struct source){
        .fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW), .ready = fifo_ready};
    fifo->line = line;
    if (fifo->source.fd < 0) return fail(failure, errno, "Failed to open %s", path);
    return 0;
}
