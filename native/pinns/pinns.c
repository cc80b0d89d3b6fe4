#include "pinns.h"

#include <sched.h>
#include <stdio.h>

#include "../base/cleanup.h"
#include "../base/programs.h"

const struct namespace_type namespace_types[NS_COUNT] = {
    [NS_USER] = {"user", 'U', CLONE_NEWUSER}, [NS_UTS] = {"uts", 'u', CLONE_NEWUTS},
    [NS_IPC] = {"ipc", 'i', CLONE_NEWIPC},    [NS_NET] = {"net", 'n', CLONE_NEWNET},
    [NS_CGROUP] = {"cgroup", 'c', CLONE_NEWCGROUP}, [NS_MNT] = {"mnt", 'm', CLONE_NEWNS},
};

static int run(const struct pin_request *request, struct failure *failure) {
    return request->remove ? unpin_namespaces(request, failure)
                           : create_and_pin(request, failure);
}

int pinns_main(int argc, char **argv) {
    struct failure failure;
    struct pin_request request = {0};
    _cleanup_free_ const char **sysctls = calloc((size_t)argc, sizeof *sysctls);
    request.sysctls = sysctls;
    int result = sysctls == NULL ? fail(&failure, 0, "out of memory")
                                 : parse_options(argc, argv, &request, &failure);
    if (result == 0) result = run(&request, &failure);
    if (result == 0) return EXIT_SUCCESS;
    fprintf(stderr, "[pinns:e]: %s\n", failure.text);
    return EXIT_FAILURE;
}
