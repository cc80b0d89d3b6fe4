/*
 * GLib's rules, as conmon's callers know them: `--x value` and `--x=value`, short options with a value
 * of their own only, no abbreviations, and words that belong to no option are passed over (podman
 * writes `--api-version 1`, though the option takes none).
 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_kind { FLAG, TEXT, NUMBER, SIZE, LIST };

struct option_type {
    const char *name;
    char letter;
    enum option_kind kind;
    size_t offset;
    const char *help; /* NULL: an old name, not shown */
};

#define FIELD(field) offsetof(struct options, field)

static const struct option_type option_types[] = {
    {"api-version", 0, FLAG, FIELD(api_version), "JSON numbers are keyed `data`; exec reports a pid"},
    {"bundle", 'b', TEXT, FIELD(bundle), "OCI bundle (default: the working directory)"},
    {"cid", 'c', TEXT, FIELD(cid), "container id"},
    {"conmon-pidfile", 'P', TEXT, FIELD(conmon_pidfile), "gets the pid of the monitor"},
    {"container-pidfile", 'p', TEXT, FIELD(container_pidfile), "gets the pid of the container"},
    {"pidfile", 0, TEXT, FIELD(container_pidfile), NULL},
    {"cuuid", 'u', TEXT, FIELD(cuuid), "name of the link in the socket directory"},
    {"exec", 'e', FLAG, FIELD(exec), "run a command in the container"},
    {"exec-attach", 0, FLAG, FIELD(exec_attach), "attach before the command starts"},
    {"exec-process-spec", 0, TEXT, FIELD(exec_process_spec), "process to run with --exec"},
    {"exit-command", 0, TEXT, FIELD(exit_command), "program to run after the container's end"},
    {"exit-command-arg", 0, LIST, FIELD(exit_command_args), "an argument of it"},
    {"exit-delay", 0, NUMBER, FIELD(exit_delay), "seconds before it runs"},
    {"exit-dir", 0, TEXT, FIELD(exit_dir), "directory for the exit file, named for the container"},
    {"full-attach", 0, FLAG, FIELD(full_attach), "no link in the socket directory"},
    {"help", 'h', FLAG, FIELD(help), "show this"},
    {"leave-stdin-open", 0, FLAG, FIELD(leave_stdin_open), "keep stdin when a client stops sending"},
    {"log-allowlist-dir", 0, LIST, FIELD(log_allowlist_dirs), "only rotate logs below it"},
    {"log-global-size-max", 0, SIZE, FIELD(log_global_size_max), "bytes logged in all"},
    {"log-label", 0, LIST, FIELD(log_labels), "K=V for journald"},
    {"log-level", 0, TEXT, FIELD(log_level), "of own messages: error, warning, info, debug"},
    {"log-max-files", 0, NUMBER, FIELD(log_max_files), "rotated files kept"},
    {"log-path", 'l', LIST, FIELD(log_paths), "[k8s-file:]PATH, journald, none, passthrough"},
    {"log-rotate", 0, FLAG, FIELD(log_rotate), "rotate at the size limit"},
    {"log-size-max", 0, SIZE, FIELD(log_size_max), "bytes in a log file"},
    {"log-tag", 0, TEXT, FIELD(log_tag), "tag for journald"},
    {"name", 'n', TEXT, FIELD(name), "container name"},
    {"no-container-partial-message", 0, FLAG, FIELD(no_container_partial_message),
     "no CONTAINER_PARTIAL_MESSAGE in the journal"},
    {"no-new-keyring", 0, FLAG, FIELD(no_new_keyring), "passed to the runtime"},
    {"no-pivot", 0, FLAG, FIELD(no_pivot), "passed to the runtime"},
    {"no-sync-log", 0, FLAG, FIELD(no_sync_log), "do not sync the log at the end"},
    {"persist-dir", '0', TEXT, FIELD(persist_dir), "directory for the files `exit` and `oom`"},
    {"replace-listen-pid", 0, FLAG, FIELD(replace_listen_pid), "set LISTEN_PID for the runtime"},
    {"restore", 0, TEXT, FIELD(restore), "restore from this checkpoint"},
    {"restore-arg", 0, LIST, FIELD(runtime_opts), NULL},
    {"runtime", 'r', TEXT, FIELD(runtime), "OCI runtime"},
    {"runtime-arg", 0, LIST, FIELD(runtime_args), "argument before its command"},
    {"runtime-opt", 0, LIST, FIELD(runtime_opts), "argument after its command's"},
    {"sdnotify-socket", 0, TEXT, FIELD(sdnotify_socket), "where notifications are passed on to"},
    {"socket-dir-path", 0, TEXT, FIELD(socket_dir), "directory for links to attach sockets"},
    {"stdin", 'i', FLAG, FIELD(stdin_pipe), "open a pipe for stdin"},
    {"sync", 0, FLAG, FIELD(sync), "stay in the foreground"},
    {"syslog", 0, FLAG, FIELD(syslog), "own messages go to syslog too"},
    {"systemd-cgroup", 's', FLAG, FIELD(systemd_cgroup), "passed to the runtime"},
    {"terminal", 't', FLAG, FIELD(terminal), "allocate a terminal"},
    {"timeout", 'T', NUMBER, FIELD(timeout), "seconds until it is killed"},
    {"version", 0, FLAG, FIELD(version), "show the version"},
};

static const struct option_type *find_name(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof option_types / sizeof *option_types; i++) {
        const struct option_type *type = &option_types[i];
        if (strlen(type->name) == length && memcmp(type->name, name, length) == 0) return type;
    }
    return NULL;
}

static const struct option_type *find_letter(char letter) {
    for (size_t i = 0; i < sizeof option_types / sizeof *option_types; i++) {
        if (option_types[i].letter == letter) return &option_types[i];
    }
    return NULL;
}

static int append(struct words *words, const char *value, struct failure *failure) {
    const char **items = realloc(words->items, (words->count + 1) * sizeof *items);
    if (items == NULL) return fail(failure, 0, "out of memory");
    words->items = items;
    words->items[words->count++] = value;
    return 0;
}

static int read_number(const struct option_type *type, const char *value, int64_t least,
                       int64_t most, int64_t *number, struct failure *failure) {
    char *end;
    errno = 0;
    *number = strtoll(value, &end, 0);
    if (end == value || *end != '\0') {
        return fail(failure, 0, "Cannot parse integer value `%s` for --%s", value, type->name);
    }
    if (errno == ERANGE || *number < least || *number > most) {
        return fail(failure, 0, "Integer value `%s` for --%s out of range", value, type->name);
    }
    return 0;
}

static int set(struct options *options, const struct option_type *type, const char *value,
               struct failure *failure) {
    char *field = (char *)options + type->offset;
    int64_t number;
    switch (type->kind) {
    case FLAG: *(bool *)field = true; return 0;
    case TEXT: *(const char **)field = value; return 0;
    case LIST: return append((struct words *)field, value, failure);
    case NUMBER:
        if (read_number(type, value, INT32_MIN, INT32_MAX, &number, failure) < 0) return -1;
        *(int *)field = (int)number;
        return 0;
    case SIZE: return read_number(type, value, INT64_MIN, INT64_MAX, (int64_t *)field, failure);
    }
    return 0;
}

static int parse_long(int argc, char **argv, int *index, struct options *options,
                      struct failure *failure) {
    const char *name = argv[*index] + 2;
    size_t length = strcspn(name, "=");
    const struct option_type *type = find_name(name, length);
    if (type == NULL) return fail(failure, 0, "Unknown option --%.*s", (int)length, name);
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (type->kind != FLAG && value == NULL) {
        if (*index + 1 >= argc) return fail(failure, 0, "Missing argument for --%s", type->name);
        value = argv[++*index];
    }
    return set(options, type, value, failure);
}

/* `-ti` is two flags; a letter with a value must be the last, and the value a word of its own. */
static int parse_letters(int argc, char **argv, int *index, struct options *options,
                         struct failure *failure) {
    const char *word = argv[*index];
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        const struct option_type *type = find_letter(*letter);
        if (type == NULL) return fail(failure, 0, "Unknown option %s", word);
        const char *value = NULL;
        if (type->kind != FLAG) {
            if (letter[1] != '\0') return fail(failure, 0, "Error parsing option -%c", *letter);
            if (*index + 1 >= argc) return fail(failure, 0, "Missing argument for -%c", *letter);
            value = argv[++*index];
        }
        if (set(options, type, value, failure) < 0) return -1;
    }
    return 0;
}

int parse_monitor_options(int argc, char **argv, struct options *options,
                          struct failure *failure) {
    *options = (struct options){.socket_dir = "/var/run/crio", .log_max_files = 1};
    for (int index = 1; index < argc; index++) {
        const char *word = argv[index];
        if (strcmp(word, "--") == 0) return 0;
        if (word[0] != '-' || word[1] == '\0') continue;
        int result = word[1] == '-' ? parse_long(argc, argv, &index, options, failure)
                                    : parse_letters(argc, argv, &index, options, failure);
        if (result < 0) return -1;
    }
    return 0;
}

void print_monitor_help(void) {
    puts("usage: conmon [OPTION...]\n\nWatches one container, as conmon does.\n");
    for (size_t i = 0; i < sizeof option_types / sizeof *option_types; i++) {
        const struct option_type *type = &option_types[i];
        if (type->help == NULL) continue;
        char letter[6] = "    ";
        if (type->letter != 0) snprintf(letter, sizeof letter, "-%c, ", type->letter);
        printf("  %s--%-30s %s\n", letter, type->name, type->help);
    }
}
