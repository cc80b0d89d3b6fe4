/* Which CPU a command of exec runs on. */
#pragma once

#include <sys/types.h>

#include "../base/failure.h"

/* No CPU in particular. */
enum { ANY_CPU = -1 };

int parse_cpu(const char *text, int *cpu, struct failure *failure);

/*
 * Pins a process (0 is this one), and what it starts from now on, to one CPU; ANY_CPU does nothing.
 * Kernels before 6.2 forget it when a process changes its cpuset: a runtime's command is to be pinned
 * once more when it has entered its cgroup.
 */
void pin_to_cpu(pid_t pid, int cpu);
