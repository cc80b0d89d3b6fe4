#include "sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

int inherited_fd(const char *variable, int *fd, struct failure *failure) {
    *fd = -1;
    const char *text = getenv(variable);
    if (text == NULL) return 0;
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 3 || number > 1 << 20) {
        return fail(failure, 0, "unable to parse %s: `%s` is not a file descriptor above 2", variable,
                    text);
    }
    if (fcntl((int)number, F_SETFD, FD_CLOEXEC) < 0) {
        return fail(failure, errno, "unable to make %s=%s close on exec", variable, text);
    }
    *fd = (int)number;
    return 0;
}

enum { ANSWER_SIZE = 4000, LONGEST_ESCAPE = 8 };

/* Length of the UTF-8 sequence at `text`, 0 when it is none. */
static size_t sequence_length(const unsigned char *text, size_t size) {
    unsigned char first = text[0];
    if (first < 0x80) return 1;
    size_t length = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    if (first >= 0xf5 || length == 0 || length > size) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
    }
    bool overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    bool outside = (first == 0xed && text[1] >= 0xa0) || (first == 0xf4 && text[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

/* Writes one character, escaped if need be; returns what it took of the input. */
static size_t escape(const unsigned char *text, size_t size, char into[LONGEST_ESCAPE]) {
    static const char plain[] = "\"\"\\\\//\nn\rr\tt\bb\ff";
    for (const char *pair = plain; *pair != '\0'; pair += 2) {
        if (text[0] == (unsigned char)*pair) {
            snprintf(into, LONGEST_ESCAPE, "\\%c", pair[1]);
            return 1;
        }
    }
    size_t length = sequence_length(text, size);
    if (length == 0) {
        strcpy(into, "\\ufffd");
        return 1;
    }
    if (text[0] < 0x20 || text[0] == 0x7f) {
        snprintf(into, LONGEST_ESCAPE, "\\u%04x", text[0]);
        return 1;
    }
    memcpy(into, text, length);
    into[length] = '\0';
    return length;
}

static size_t append_message(char *answer, size_t used, const char *message, size_t size) {
    used += (size_t)snprintf(answer + used, ANSWER_SIZE - used, ", \"message\": \"");
    while (size > 0 && used < ANSWER_SIZE - LONGEST_ESCAPE - 8) {
        char escaped[LONGEST_ESCAPE];
        size_t taken = escape((const unsigned char *)message, size, escaped);
        memcpy(answer + used, escaped, strlen(escaped));
        used += strlen(escaped);
        message += taken;
        size -= taken;
    }
    answer[used++] = '"';
    return used;
}

void send_answer(int *fd, const char *key, int number, const char *message, size_t size) {
    if (*fd < 0) return;
    char answer[ANSWER_SIZE];
    size_t used = (size_t)snprintf(answer, sizeof answer, "{\"%s\": %d", key, number);
    if (message != NULL && size > 0) used = append_message(answer, used, message, size);
    answer[used++] = '}';
    answer[used++] = '\n';
    ssize_t written;
    do {
        written = write(*fd, answer, used);
    } while (written < 0 && errno == EINTR);
    if (written == (ssize_t)used) return;
    if (errno != EPIPE) say(SAY_WARNING, "unable to send an answer: %s", strerror(errno));
    close(*fd);
    *fd = -1;
}
