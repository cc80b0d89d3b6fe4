#include <getopt.h>
#include <string.h>

#include "pinns.h"

enum { OPTION_UID_MAPPING = 256, OPTION_GID_MAPPING, OPTION_LOOPBACK, OPTION_REMOVE };

static const struct option long_options[] = {
    {"dir", required_argument, NULL, 'd'},
    {"filename", required_argument, NULL, 'f'},
    {"sysctl", required_argument, NULL, 's'},
    {"user", optional_argument, NULL, 'U'},
    {"uts", optional_argument, NULL, 'u'},
    {"ipc", optional_argument, NULL, 'i'},
    {"net", optional_argument, NULL, 'n'},
    {"cgroup", optional_argument, NULL, 'c'},
    {"mnt", optional_argument, NULL, 'm'},
    {"uid-mapping", optional_argument, NULL, OPTION_UID_MAPPING},
    {"gid-mapping", optional_argument, NULL, OPTION_GID_MAPPING},
    {"loopback", no_argument, NULL, OPTION_LOOPBACK},
    {"remove", no_argument, NULL, OPTION_REMOVE},
    {NULL, 0, NULL, 0},
};

static int want_namespace(struct pin_request *request, enum namespace_kind kind,
                          struct failure *failure) {
    if (optarg != NULL && strcmp(optarg, "host") != 0) {
        return fail(failure, 0, "--%s takes no value but `host`, not `%s`",
                    namespace_types[kind].name, optarg);
    }
    request->want[kind] = optarg == NULL ? NS_NEW : NS_HOST;
    return 0;
}

static int take_option(int option, struct pin_request *request, struct failure *failure) {
    switch (option) {
    case 'd': request->directory = optarg; return 0;
    case 'f': request->filename = optarg; return 0;
    case 's': request->sysctls[request->sysctl_count++] = optarg; return 0;
    case OPTION_UID_MAPPING: request->uid_mapping = optarg; return 0;
    case OPTION_GID_MAPPING: request->gid_mapping = optarg; return 0;
    case OPTION_LOOPBACK: request->loopback = true; return 0;
    case OPTION_REMOVE: request->remove = true; return 0;
    default: break;
    }
    for (int kind = 0; kind < NS_COUNT; kind++) {
        if (namespace_types[kind].letter == option) return want_namespace(request, kind, failure);
    }
    return fail(failure, 0, "usage: pinns -d DIR -f NAME [-s KEY=VALUE]... "
                            "[-u|--uts[=host]] [-i|--ipc[=host]] [-n|--net[=host]] "
                            "[-U|--user[=host]] [-c|--cgroup[=host]] [-m|--mnt[=host]] "
                            "[--uid-mapping=C-H-N[@...] --gid-mapping=C-H-N[@...]] "
                            "[--loopback] [--remove]");
}

static int check_mappings(const struct pin_request *request, struct failure *failure) {
    bool mapped = request->uid_mapping != NULL && request->gid_mapping != NULL;
    bool any = request->uid_mapping != NULL || request->gid_mapping != NULL;
    if (request->want[NS_USER] != NS_UNWANTED && !mapped) {
        return fail(failure, 0, "--user needs --uid-mapping= and --gid-mapping=");
    }
    if (request->want[NS_USER] == NS_UNWANTED && any) {
        return fail(failure, 0, "--uid-mapping and --gid-mapping need --user");
    }
    return 0;
}

static int check_request(const struct pin_request *request, struct failure *failure) {
    if (request->directory == NULL) return fail(failure, 0, "-d DIR is required");
    if (request->filename == NULL) return fail(failure, 0, "-f NAME is required");
    if (request->filename[0] == '\0' || request->filename[0] == '.' ||
        strchr(request->filename, '/') != NULL) {
        return fail(failure, 0, "-f `%s` is not a file name", request->filename);
    }
    if (request->remove) return 0;
    bool wanted = false;
    for (int kind = 0; kind < NS_COUNT; kind++) wanted |= request->want[kind] != NS_UNWANTED;
    if (!wanted) return fail(failure, 0, "no namespace to pin: name one of --uts --ipc --net "
                                         "--user --cgroup --mnt");
    return check_mappings(request, failure);
}

int parse_options(int argc, char **argv, struct pin_request *request, struct failure *failure) {
    opterr = 0;
    for (;;) {
        int option = getopt_long(argc, argv, "d:f:s:Uuincm", long_options, NULL);
        if (option == -1) return check_request(request, failure);
        if (take_option(option, request, failure) < 0) return -1;
    }
}
