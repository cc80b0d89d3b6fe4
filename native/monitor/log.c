#include "log.h"

#include <string.h>
#include <unistd.h>

#include "say.h"

/* `driver:path`, `driver` or `path`; a path with a colon is taken for the former, as conmon does. */
static int open_target(struct log *log, const char *target, const struct options *options,
                       struct failure *failure) {
    if (target[0] == '\0') return fail(failure, 0, "log-path must not be empty");
    const char *colon = strchr(target, ':');
    size_t length = colon == NULL ? strlen(target) : (size_t)(colon - target);
    const char *path = colon == NULL ? target : colon + 1;
#define IS(word) (length == strlen(word) && memcmp(target, word, length) == 0)
    if (IS("none") || IS("off") || IS("null")) return 0;
    if (IS("passthrough")) {
        log->passthrough = true;
        return 0;
    }
    if (IS("journald")) {
        return log->journal.fd >= 0 ? 0 : open_journal(&log->journal, options, failure);
    }
    bool named = IS("k8s-file") || IS("json-file");
    if (named && (colon == NULL || path[0] == '\0')) {
        return fail(failure, 0, "k8s-file requires a filename");
    }
    if (!named && length > 0 && colon != NULL) {
        return fail(failure, 0, "No such log driver %.*s", (int)length, target);
    }
#undef IS
    if (path[0] == '\0') return fail(failure, 0, "log-path must not be empty");
    if (log->file.path != NULL) close(log->file.fd);
    return open_log_file(&log->file, path, options, failure);
}

/* What means something to the journal only. */
static int check_journal_options(const struct log *log, const struct options *options,
                                 struct failure *failure) {
    if (log->journal.fd >= 0) return 0;
    if (options->log_tag != NULL) return fail(failure, 0, "k8s-file doesn't support --log-tag");
    if (options->log_labels.count > 0) {
        return fail(failure, 0, "k8s-file doesn't support --log-label");
    }
    if (options->no_container_partial_message) {
        say(SAY_WARNING, "--no-container-partial-message has no effect without journald log driver");
    }
    return 0;
}

int open_log(struct log *log, const struct options *options, struct failure *failure) {
    log->file.fd = -1;
    log->journal.fd = -1;
    for (size_t i = 0; i < options->log_paths.count; i++) {
        if (open_target(log, options->log_paths.items[i], options, failure) < 0) return -1;
    }
    return check_journal_options(log, options, failure);
}

void write_log(struct log *log, enum stream stream, const char *data, size_t size) {
    if (log->file.path != NULL) write_log_file(&log->file, stream, data, size);
    if (log->journal.fd >= 0) write_journal(&log->journal, stream, data, size);
}

void reopen_log(struct log *log) {
    if (log->file.path != NULL) reopen_log_file(&log->file);
}

void sync_log(const struct log *log) {
    if (log->file.path != NULL) fdatasync(log->file.fd);
}
