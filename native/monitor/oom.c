#include "oom.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "monitor.h"
#include "say.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
enum { CGROUP2_MAGIC = 0x63677270, FILE_MAX = 8192 };

static void touch(const char *directory) {
    char path[PATH_MAX];
    if (directory == NULL || snprintf(path, sizeof path, "%s/oom", directory) >= PATH_MAX) return;
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) say(SAY_WARNING, "Failed to write %s: %s", path, strerror(errno));
}

static void record(const struct monitor *monitor) {
    say(SAY_INFO, "OOM received");
    touch(monitor->options.persist_dir);
    touch(monitor->options.bundle);
}

static ssize_t read_file(const char *path, char text[FILE_MAX]) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t size = read(fd, text, FILE_MAX - 1);
    if (size >= 0) text[size] = '\0';
    return size;
}

static ssize_t read_cgroup_file(const struct oom *oom, const char *name, char text[FILE_MAX]) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", oom->directory, name) >= PATH_MAX) return -1;
    return read_file(path, text);
}

/* The number behind `key` at the beginning of a line, 0 when it is not there. */
static uint64_t counter(const char *text, const char *key) {
    size_t length = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            return strtoull(line + length + 1, NULL, 10);
        }
        line = strchr(line, '\n');
        if (line != NULL) line++;
    }
    return 0;
}

/* `0::/path` with v2, `4:memory:/path` (the controllers are a list) with v1. */
static const char *line_path(char *line, bool unified) {
    if (unified) return strncmp(line, "0::", 3) == 0 ? line + 3 : NULL;
    char *controllers = strchr(line, ':');
    char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL) return NULL;
    *path++ = '\0';
    char *state;
    for (char *name = strtok_r(controllers + 1, ",", &state); name != NULL;
         name = strtok_r(NULL, ",", &state)) {
        if (strcmp(name, "memory") == 0) return path;
    }
    return NULL;
}

static int find_directory(struct oom *oom, pid_t pid) {
    char path[64], text[FILE_MAX];
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    if (read_file(path, text) < 0) return -1;
    char *state;
    for (char *line = strtok_r(text, "\n", &state); line != NULL;
         line = strtok_r(NULL, "\n", &state)) {
        const char *below = line_path(line, oom->unified);
        if (below == NULL) continue;
        const char *hierarchy = oom->unified ? "" : "/memory";
        return asprintf(&oom->directory, "%s%s%s", CGROUP_ROOT, hierarchy, below) < 0 ? -1 : 0;
    }
    errno = ENOENT;
    return -1;
}

/* The part of `directory` before the component that is named after the container. */
static size_t length_above(const char *directory, const char *id) {
    const char *at = strstr(directory, id);
    while (at != NULL && at > directory && *at != '/') at--;
    return at == NULL ? 0 : (size_t)(at - directory);
}

/* v2 counts what happens below, too, also below a cgroup that is gone. */
static uint64_t kills_above(const struct oom *oom) {
    char path[PATH_MAX], text[FILE_MAX];
    int length = snprintf(path, sizeof path, "%.*s/memory.events", (int)oom->above, oom->directory);
    if (oom->above == 0 || length >= PATH_MAX || read_file(path, text) < 0) return 0;
    return counter(text, "oom_kill");
}

/* v2: `oom` counts limits hit, `oom_kill` kills; a new one of either is recorded. */
static int check_events(struct monitor *monitor) {
    struct oom *oom = &monitor->oom;
    char text[FILE_MAX];
    if (read_cgroup_file(oom, "memory.events", text) < 0) {
        say(SAY_DEBUG, "Cgroup appears to have been removed: %s", strerror(errno));
        return -1;
    }
    uint64_t count = counter(text, "oom") + counter(text, "oom_kill");
    if (count > oom->seen) record(monitor);
    oom->seen = count;
    return 0;
}

static void events_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    /* Most changes are harmless (`max`): the watch stays for the life of the container. */
    char buffer[sizeof(struct inotify_event) + NAME_MAX + 1]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    while (read(source->fd, buffer, sizeof buffer) > 0) continue;
    check_events(monitor);
}

static int watch_events(struct monitor *monitor) {
    struct oom *oom = &monitor->oom;
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/memory.events", oom->directory) >= PATH_MAX) return -1;
    oom->above = length_above(oom->directory, monitor->options.cid);
    oom->seen_above = kills_above(oom);
    oom->source = (struct source){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
                                  .ready = events_ready};
    if (oom->source.fd < 0 || inotify_add_watch(oom->source.fd, path, IN_MODIFY) < 0) return -1;
    return watch(monitor->loop, &oom->source, EPOLLIN);
}

static void eventfd_ready(struct monitor *monitor, struct source *source, uint32_t events) {
    (void)events;
    struct oom *oom = &monitor->oom;
    char path[PATH_MAX];
    /* Removal of the cgroup is an event too. Asked first: it may be removed right after. */
    bool removed = snprintf(path, sizeof path, "%s/cgroup.event_control", oom->directory) >= PATH_MAX ||
                   access(path, F_OK) < 0;
    uint64_t count;
    if (read(source->fd, &count, sizeof count) == (ssize_t)sizeof count && !removed) {
        record(monitor);
        oom->seen++;
    }
    if (removed) drop(monitor->loop, source);
}

/* v1: an eventfd is registered by writing its number, and the watched file's, to a third. */
static int watch_eventfd(struct monitor *monitor) {
    struct oom *oom = &monitor->oom;
    char path[PATH_MAX], text[64];
    if (snprintf(path, sizeof path, "%s/memory.oom_control", oom->directory) >= PATH_MAX) return -1;
    _cleanup_close_ int watched = open(path, O_RDONLY | O_CLOEXEC);
    if (snprintf(path, sizeof path, "%s/cgroup.event_control", oom->directory) >= PATH_MAX) return -1;
    _cleanup_close_ int control = open(path, O_WRONLY | O_CLOEXEC);
    oom->source = (struct source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                  .ready = eventfd_ready};
    if (watched < 0 || control < 0 || oom->source.fd < 0) return -1;
    int length = snprintf(text, sizeof text, "%d %d", oom->source.fd, watched);
    if (write(control, text, (size_t)length) != length) return -1;
    return watch(monitor->loop, &oom->source, EPOLLIN);
}

void watch_oom(struct monitor *monitor) {
    struct oom *oom = &monitor->oom;
    struct statfs root;
    oom->unified = statfs(CGROUP_ROOT, &root) == 0 && root.f_type == CGROUP2_MAGIC;
    if (find_directory(oom, monitor->container.pid) == 0 &&
        (oom->unified ? watch_events(monitor) : watch_eventfd(monitor)) == 0) {
        return;
    }
    say(SAY_WARNING, "Failed to watch for OOM in `%s`: %s",
        oom->directory == NULL ? "" : oom->directory, strerror(errno));
    drop(monitor->loop, &oom->source);
}

void check_oom(struct monitor *monitor) {
    struct oom *oom = &monitor->oom;
    if (oom->directory == NULL) return;
    if (oom->unified) {
        /* systemd may have been quicker to remove the cgroup: then the pod's tells. */
        if (check_events(monitor) < 0 && oom->seen == 0 &&
            monitor->container.status == 128 + SIGKILL && kills_above(oom) > oom->seen_above) {
            record(monitor);
        }
        return;
    }
    char text[FILE_MAX];
    if (read_cgroup_file(oom, "memory.oom_control", text) < 0) return;
    if (oom->seen == 0 && counter(text, "oom_kill") > 0) record(monitor);
}
