#include "launcher.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../base/cleanup.h"

extern char **environ;

/* What the program is started with; it lives as long as the process and is never freed. */
struct list {
    const char **items;
    size_t count;
    size_t room;
};

static int add(struct list *list, const char *item, struct failure *failure) {
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : list->room * 2;
        const char **items = realloc(list->items, room * sizeof *items);
        if (items == NULL) return fail(failure, 0, "out of memory");
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = item;
    return 0;
}

/* Puts the directory in place of the first `%` before a slash. */
static int add_expanded(struct list *list, const char *item, const char *directory,
                        struct failure *failure) {
    const char *mark = strstr(item, "%/");
    if (mark == NULL) return add(list, item, failure);
    char *expanded = malloc(strlen(item) + strlen(directory) + 1);
    if (expanded == NULL) return fail(failure, 0, "out of memory");
    sprintf(expanded, "%.*s%s%s", (int)(mark - item), item, directory, mark + 1);
    return add(list, expanded, failure);
}

static int add_strings(struct list *list, const struct payload *payload, enum payload_kind kind,
                       const char *directory, struct failure *failure) {
    const struct payload_entry *entry = find_entry(payload, kind);
    if (entry == NULL) return 0;
    char *content;
    if (read_entry(payload, entry, &content, failure) < 0) return -1;
    for (char *item = content; item < content + entry->size; item += strlen(item) + 1) {
        if (add_expanded(list, item, directory, failure) < 0) return -1;
    }
    return 0;
}

/* Variables that steer the C library, Deno or Node: the program's own, never the host's. */
static bool is_dropped(const char *variable, bool joined) {
    static const char *const prefixes[] = {"LD_", "DENO_", "NODE_", "CRID_SELF=", "CRID_NATIVE_DIR="};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0) return true;
    }
    return joined && strncmp(variable, MOUNT_NAMESPACE "=", sizeof MOUNT_NAMESPACE) == 0;
}

static int make_arguments(struct list *list, const struct payload *payload, int argc, char **argv,
                          const char *directory, struct failure *failure) {
    if (add(list, argc > 0 ? argv[0] : "crid", failure) < 0) return -1;
    if (add_strings(list, payload, PAYLOAD_ARGUMENTS, directory, failure) < 0) return -1;
    for (int i = 1; i < argc; i++) {
        if (add(list, argv[i], failure) < 0) return -1;
    }
    return 0;
}

static int make_variables(struct list *list, const struct payload *payload, const char *directory,
                          bool joined, struct failure *failure) {
    for (char **variable = environ; *variable != NULL; variable++) {
        if (!is_dropped(*variable, joined) && add(list, *variable, failure) < 0) return -1;
    }
    static char self[sizeof payload->path + sizeof "CRID_SELF="];
    snprintf(self, sizeof self, "CRID_SELF=%s", payload->path);
    if (add(list, self, failure) < 0) return -1;
    return add_strings(list, payload, PAYLOAD_VARIABLES, directory, failure);
}

static int launch(int argc, char **argv, struct failure *failure) {
    __attribute__((cleanup(close_payload))) struct payload payload;
    if (open_payload(&payload, failure) < 0) return -1;
    const struct payload_entry *program_entry = find_entry(&payload, PAYLOAD_PROGRAM);
    const struct payload_entry *loader_entry = find_entry(&payload, PAYLOAD_LOADER);
    if (program_entry == NULL || loader_entry == NULL) {
        return fail(failure, 0, "%s carries no program", payload.path);
    }
    /* Before any file is looked for: it may not be there. */
    bool joined = join_mount_namespace();
    char directory[PATH_MAX];
    struct image program, loader;
    struct list arguments = {0}, variables = {0};
    if (find_directory(&payload, directory, failure) < 0 ||
        make_arguments(&arguments, &payload, argc, argv, directory, failure) < 0 ||
        make_variables(&variables, &payload, directory, joined, failure) < 0 ||
        map_image(payload.fd, program_entry, &program, failure) < 0 ||
        map_image(payload.fd, loader_entry, &loader, failure) < 0) {
        return -1;
    }
    close(take_fd(&payload.fd));
    start_program(&program, &loader, arguments.items, arguments.count, variables.items,
                  variables.count);
}

int main(int argc, char **argv) {
    struct failure failure;
    if (launch(argc, argv, &failure) < 0) fprintf(stderr, "crid: %s\n", failure.text);
    /* As a shell says it: found, but cannot be run. */
    return 126;
}
