/* sd_notify for containers: what they say at `<bundle>/notify/notify.sock` is passed on, filtered. */
#pragma once

#include "../base/failure.h"
#include "loop.h"

struct notify {
    struct source source;
};

int open_notify(struct monitor *monitor, struct failure *failure);
