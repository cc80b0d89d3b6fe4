#include "affinity.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

int parse_cpu(const char *text, int *cpu, struct failure *failure) {
    char *end;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || number < 0 || number >= CPU_SETSIZE) {
        return fail(failure, 0, "no CPU: %s", text);
    }
    *cpu = (int)number;
    return 0;
}

void pin_to_cpu(pid_t pid, int cpu) {
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    /* Not of its cgroup any more: where it may run is decided there. */
    if (sched_setaffinity(pid, sizeof set, &set) < 0) return;
}
