#include "journal.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { SHORT_ID = 12, FIELDS_SIZE = 8192 };

/* NAME=VALUE, with a name that the journal takes from others than itself. */
static int check_label(const char *label, struct failure *failure) {
    const char *equals = strchr(label, '=');
    if (equals == NULL || equals == label || strchr(equals + 1, '=') != NULL) {
        return fail(failure, 0, "Container labels must be in format LABEL=VALUE, unlike '%s'", label);
    }
    size_t length = strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (label + length == equals) return 0;
    return fail(failure, 0,
                "Container label names must contain only uppercase letters, numbers and underscore, "
                "unlike '%s'", label);
}

int open_journal(struct journal *journal, const struct options *options, struct failure *failure) {
    if (strlen(options->cid) <= SHORT_ID) {
        return fail(failure, 0, "Container ID must be longer than 12 characters");
    }
    for (size_t i = 0; i < options->log_labels.count; i++) {
        if (check_label(options->log_labels.items[i], failure) < 0) return -1;
    }
    journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (journal->fd < 0) return fail(failure, errno, "Failed to open a socket to the journal");
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    /* A journal that is down now may be up later; sending finds out. */
    if (connect(journal->fd, (struct sockaddr *)&address, sizeof address) < 0 &&
        errno != ENOENT && errno != ECONNREFUSED) {
        return fail(failure, errno, "Failed to connect to the journal");
    }
    journal->options = options;
    return 0;
}

struct fields {
    char text[FIELDS_SIZE];
    size_t size;
};

/* NAME=value, which needs a value of one line. */
static void add_text(struct fields *fields, const char *text) {
    size_t room = sizeof fields->text - fields->size;
    if (strchr(text, '\n') != NULL) return;
    int size = snprintf(fields->text + fields->size, room, "%s\n", text);
    if (size > 0 && (size_t)size < room) fields->size += (size_t)size;
}

static void add(struct fields *fields, const char *name, const char *value, size_t length) {
    char text[FIELDS_SIZE];
    if (snprintf(text, sizeof text, "%s=%.*s", name, (int)length, value) < (int)sizeof text) {
        add_text(fields, text);
    }
}

static const char *identifier(const struct options *options) {
    return options->log_tag != NULL ? options->log_tag : options->name;
}

static void add_fields(struct fields *fields, const struct options *options, const char *priority,
                       bool partial) {
    add(fields, "PRIORITY", priority, 1);
    add(fields, "CONTAINER_ID_FULL", options->cid, strlen(options->cid));
    add(fields, "CONTAINER_ID", options->cid, SHORT_ID);
    if (identifier(options) != NULL) {
        add(fields, "SYSLOG_IDENTIFIER", identifier(options), strlen(identifier(options)));
    } else {
        add(fields, "SYSLOG_IDENTIFIER", options->cid, SHORT_ID);
    }
    if (options->log_tag != NULL) {
        add(fields, "CONTAINER_TAG", options->log_tag, strlen(options->log_tag));
    }
    if (options->name != NULL) {
        add(fields, "CONTAINER_NAME", options->name, strlen(options->name));
    }
    if (partial && !options->no_container_partial_message) {
        add(fields, "CONTAINER_PARTIAL_MESSAGE", "true", 4);
    }
    for (size_t i = 0; i < options->log_labels.count; i++) {
        add_text(fields, options->log_labels.items[i]);
    }
}

/* A leading `<0>` … `<7>` is the line's own priority. */
static const char *take_priority(enum stream stream, const char **line, size_t *size) {
    static const char *const priorities[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    const char *text = *line;
    if (*size >= 3 && text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>') {
        *line += 3;
        *size -= 3;
        return priorities[text[1] - '0'];
    }
    return priorities[stream == STREAM_STDOUT ? 6 : 3];
}

static void send_line(const struct journal *journal, enum stream stream, const char *line,
                      size_t size) {
    const char *priority = take_priority(stream, &line, &size);
    bool partial = size == 0 || line[size - 1] != '\n';
    struct fields fields = {.size = 0};
    add_fields(&fields, journal->options, priority, partial);
    /* The message may hold anything, so it goes in the binary form: name, length, bytes. */
    char name[] = "MESSAGE\n";
    uint64_t length = htole64(size);
    char end[] = "\n";
    struct iovec parts[] = {
        {fields.text, fields.size}, {name, sizeof name - 1}, {&length, sizeof length},
        {(void *)(uintptr_t)line, size}, {end, sizeof end - 1},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = sizeof parts / sizeof *parts};
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    if (sendmsg(journal->fd, &message, MSG_NOSIGNAL) >= 0 || errno == EAGAIN) return;
    /* The journal was restarted or was not there before. */
    if (connect(journal->fd, (struct sockaddr *)&address, sizeof address) == 0) {
        sendmsg(journal->fd, &message, MSG_NOSIGNAL);
    }
}

void write_journal(const struct journal *journal, enum stream stream, const char *data,
                   size_t size) {
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t length = newline == NULL ? size : (size_t)(newline - data) + 1;
        if (length > PIECE_SIZE) length = PIECE_SIZE;
        send_line(journal, stream, data, length);
        data += length;
        size -= length;
    }
}
