/*
 * crid-native: the small native programs of crid in one static file. The monitor has a file of its own,
 * for it is the only one of which many run.
 * The program is chosen by the name it was started under (a link), else by the first argument.
 */
#include <stdio.h>
#include <string.h>

#include "base/programs.h"

static const struct program {
    const char *name;
    int (*run)(int argc, char **argv);
} programs[] = {
    {"attach", attach_main},
    {"pause", pause_main},
    {"pinns", pinns_main},
    {"session", session_main},
    {"start", start_main},
};

static const struct program *find(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (strcmp(programs[i].name, name) == 0) return &programs[i];
    }
    return NULL;
}

int main(int argc, char **argv) {
    const struct program *program = argc > 0 ? find(argv[0]) : NULL;
    if (program != NULL) return program->run(argc, argv);
    program = argc > 1 ? find(argv[1]) : NULL;
    if (program != NULL) return program->run(argc - 1, argv + 1);

    fputs("usage: crid-native PROGRAM [ARGUMENT...]\nprograms:", stderr);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        fprintf(stderr, " %s", programs[i].name);
    }
    fputc('\n', stderr);
    return 2;
}
