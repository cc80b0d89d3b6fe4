#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

static void set_size(struct terminal *terminal) {
    struct frames *frames = &terminal->frames;
    frames->size[frames->size_length] = '\0';
    frames->size_length = 0;
    unsigned columns, rows;
    if (sscanf(frames->size, "%u %u", &columns, &rows) != 2) return;
    if (columns > UINT16_MAX || rows > UINT16_MAX) return;
    set_terminal_size(terminal, (unsigned short)columns, (unsigned short)rows);
}

/* What follows the head; returns how much of it was taken. */
static size_t take_payload(struct terminal *terminal, const char *data, size_t size) {
    struct frames *frames = &terminal->frames;
    if (size > frames->left) size = frames->left;
    if (frames->head[0] == FRAME_INPUT) {
        memcpy(terminal->input.data + terminal->input.end, data, size);
        terminal->input.end += size;
    } else {
        size_t room = sizeof frames->size - 1 - frames->size_length;
        size_t kept = size < room ? size : room;
        memcpy(frames->size + frames->size_length, data, kept);
        frames->size_length += kept;
    }
    frames->left -= size;
    if (frames->left == 0) {
        frames->head_size = 0;
        if (frames->head[0] == FRAME_SIZE) set_size(terminal);
    }
    return size;
}

bool read_frames(struct terminal *terminal, int fd) {
    struct flow *input = &terminal->input;
    if (!flow_has(input)) input->start = input->end = 0;
    char data[sizeof input->data];
    /* Never more than there is room for, were it all input. */
    ssize_t size = read(fd, data, sizeof input->data - input->end);
    if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
    struct frames *frames = &terminal->frames;
    for (size_t at = 0; at < (size_t)size;) {
        if (frames->head_size < sizeof frames->head) {
            frames->head[frames->head_size++] = (unsigned char)data[at++];
            frames->left = (size_t)frames->head[1] << 8 | frames->head[2];
            if (frames->head_size == sizeof frames->head && frames->left == 0) {
                frames->head_size = 0;
            }
            continue;
        }
        at += take_payload(terminal, data + at, (size_t)size - at);
    }
    return true;
}
