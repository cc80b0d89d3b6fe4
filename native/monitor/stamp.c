#include "stamp.h"

#include <stdlib.h>
#include <string.h>

static void write_digits(char *into, unsigned value, int count) {
    while (count-- > 0) {
        into[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* The offset is looked up each second: it changes twice a year while containers run. */
static void refresh(struct stamp *stamp, time_t second) {
    struct tm local;
    localtime_r(&second, &local);
    memcpy(stamp->date, "0000-00-00T00:00:00.", sizeof stamp->date);
    write_digits(stamp->date, (unsigned)local.tm_year + 1900, 4);
    write_digits(stamp->date + 5, (unsigned)local.tm_mon + 1, 2);
    write_digits(stamp->date + 8, (unsigned)local.tm_mday, 2);
    write_digits(stamp->date + 11, (unsigned)local.tm_hour, 2);
    write_digits(stamp->date + 14, (unsigned)local.tm_min, 2);
    write_digits(stamp->date + 17, (unsigned)local.tm_sec, 2);
    unsigned minutes = (unsigned)labs(local.tm_gmtoff) / 60;
    memcpy(stamp->offset, local.tm_gmtoff < 0 ? "-00:00" : "+00:00", sizeof stamp->offset);
    write_digits(stamp->offset + 1, minutes / 60, 2);
    write_digits(stamp->offset + 4, minutes % 60, 2);
    stamp->second = second;
}

void write_stamp(struct stamp *stamp, char *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != stamp->second) refresh(stamp, now.tv_sec);
    memcpy(into, stamp->date, sizeof stamp->date);
    write_digits(into + 20, (unsigned)now.tv_nsec, 9);
    memcpy(into + 29, stamp->offset, sizeof stamp->offset);
}
