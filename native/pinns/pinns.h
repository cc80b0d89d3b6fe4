/* pinns: makes namespaces and keeps them alive as bind mounts below one directory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../base/failure.h"

/* In the order in which they are bound. */
enum namespace_kind { NS_USER, NS_UTS, NS_IPC, NS_NET, NS_CGROUP, NS_MNT, NS_COUNT };

struct namespace_type {
    const char *name; /* as in /proc/PID/ns */
    char letter;      /* of its short option */
    int clone_flag;
};

extern const struct namespace_type namespace_types[NS_COUNT];

enum namespace_want { NS_UNWANTED, NS_NEW, NS_HOST };

struct pin_request {
    const char *directory;
    const char *filename;
    enum namespace_want want[NS_COUNT];
    const char **sysctls; /* `key=value`, `sysctl_count` of them */
    size_t sysctl_count;
    const char *uid_mapping; /* `container-host-size[@...]` or NULL */
    const char *gid_mapping;
    bool loopback;
    bool remove;
};

/* options.c: reads the command line. The request points into argv. */
int parse_options(int argc, char **argv, struct pin_request *request, struct failure *failure);

/* create.c: makes the namespaces and pins them; a failure leaves nothing behind. */
int create_and_pin(const struct pin_request *request, struct failure *failure);

/* pin.c: binds the namespaces of `pid` (0: of this process). A failure takes back what it bound. */
int pin_namespaces(const struct pin_request *request, pid_t pid, struct failure *failure);
/* pin.c: unmounts and removes pins, all six kinds when none is named. What is gone is no error. */
int unpin_namespaces(const struct pin_request *request, struct failure *failure);

/* id_map.c: writes gid_map and uid_map of `pid`, whose new user namespace has none yet. */
int write_id_maps(const struct pin_request *request, pid_t pid, struct failure *failure);

/* inside.c: sets up the new namespaces this process is in: sysctls, loopback. */
int set_up_inside(const struct pin_request *request, struct failure *failure);
