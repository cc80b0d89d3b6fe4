/* One attach client, within attach. */
#pragma once

#include "attach.h"

/*
 * Frees clients that have gone while what they sent waits for a container that does not read. Their
 * input is lost; without need it is kept.
 */
void evict_gone(struct monitor *monitor);
/* Takes over `fd`. */
int add_client(struct monitor *monitor, int fd);
