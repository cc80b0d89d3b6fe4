/* One turn of the event loop, and what signals and the timeout do. */
#pragma once

#include <stdbool.h>

#include "loop.h"

void signals_ready(struct monitor *monitor, struct source *source, uint32_t events);
void timeout_ready(struct monitor *monitor, struct source *source, uint32_t events);
/* Waits for the end of a container that is not our child, which only its pidfd tells. */
void adopt_container(struct monitor *monitor);
/* A process that was killed at the timeout and does not die, as in an unkillable sleep. */
bool is_given_up(const struct monitor *monitor);
/* Gives the kernel back what memory is not in use. */
void give_memory_back(struct monitor *monitor);
void take_turn(struct monitor *monitor);
