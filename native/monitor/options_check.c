#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

static int check_exec(const struct options *options, struct failure *failure) {
    if (options->exec && options->exec_process_spec == NULL) {
        return fail(failure, 0, "Exec process spec path not provided. Use --exec-process-spec");
    }
    if (options->exec && options->restore != NULL) {
        return fail(failure, 0, "Cannot use 'exec' and 'restore' at the same time");
    }
    if (options->exec_attach && !options->exec) {
        return fail(failure, 0, "Attach can only be specified with exec");
    }
    if (options->exec_attach && !options->api_version) {
        return fail(failure, 0, "Attach can only be specified for a non-legacy exec session");
    }
    return 0;
}

static int check_numbers(const struct options *options, struct failure *failure) {
    if (options->exit_delay < 0) {
        return fail(failure, 0, "Delay before invoking exit command must be greater than or equal to 0");
    }
    if (options->log_max_files < 0) {
        return fail(failure, 0, "log-max-files must be non-negative");
    }
    if (options->log_rotate && options->log_max_files == 0) {
        return fail(failure, 0, "log-max-files must be at least 1 when log-rotate is enabled");
    }
    return 0;
}

/* The working directory is where things go that no option places. */
static int fill_in(struct options *options, struct failure *failure) {
    char directory[PATH_MAX];
    if (getcwd(directory, sizeof directory) == NULL) {
        return fail(failure, errno, "Failed to get working directory");
    }
    if (options->bundle == NULL && !options->exec) options->bundle = strdup(directory);
    if (options->container_pidfile == NULL) {
        char *path = NULL;
        if (asprintf(&path, "%s/pidfile-%s", directory, options->cid) < 0) {
            return fail(failure, 0, "out of memory");
        }
        options->container_pidfile = path;
    }
    return 0;
}

int check_monitor_options(struct options *options, struct failure *failure) {
    if (options->cid == NULL) return fail(failure, 0, "Container ID not provided. Use --cid");
    if (options->cuuid == NULL && (!options->exec || options->api_version)) {
        return fail(failure, 0, "Container UUID not provided. Use --cuuid");
    }
    if (options->runtime == NULL) return fail(failure, 0, "Runtime path not provided. Use --runtime");
    if (access(options->runtime, X_OK) < 0) {
        return fail(failure, 0, "Runtime path %s is not valid", options->runtime);
    }
    if (options->log_paths.count == 0) {
        return fail(failure, 0, "Log driver not provided. Use --log-path");
    }
    if (check_exec(options, failure) < 0 || check_numbers(options, failure) < 0) return -1;
    return fill_in(options, failure);
}
