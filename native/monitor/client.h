/* One attach client, within attach. */
#pragma once

#include "attach.h"

/* Takes over `fd`. */
int add_client(struct monitor *monitor, int fd);
