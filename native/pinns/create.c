#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../base/cleanup.h"
#include "pinns.h"

static int unshare_all(const struct pin_request *request, struct failure *failure) {
    int flags = 0;
    for (int kind = 0; kind < NS_COUNT; kind++) {
        if (kind != NS_USER && request->want[kind] == NS_NEW) {
            flags |= namespace_types[kind].clone_flag;
        }
    }
    if (unshare(flags) < 0) return fail(failure, errno, "unshare");
    return set_up_inside(request, failure);
}

/* One step of the other side is done: an empty failure, or what went wrong. */
static int send_result(int fd, const struct failure *failure) {
    return send(fd, failure, sizeof *failure, MSG_NOSIGNAL) == (ssize_t)sizeof *failure ? 0 : -1;
}

static int receive_result(int fd, struct failure *failure) {
    ssize_t size = recv(fd, failure, sizeof *failure, 0);
    if (size < 0) return fail(failure, errno, "wait for the other process");
    if (size != (ssize_t)sizeof *failure) return fail(failure, 0, "the other process died");
    return failure->text[0] == '\0' ? 0 : -1;
}

/* Becomes root of a new user namespace; the parent writes the maps in between. */
static int enter_user_namespace(int parent, struct failure *failure) {
    struct failure done = {0};
    if (unshare(CLONE_NEWUSER) < 0) return fail(failure, errno, "unshare the user namespace");
    if (send_result(parent, &done) < 0) return fail(failure, errno, "tell the parent");
    if (receive_result(parent, failure) < 0) return -1;
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
        return fail(failure, errno, "become root of the user namespace");
    }
    return 0;
}

/* In the child: makes the namespaces and holds them until it is killed. */
static _Noreturn void hold_namespaces(const struct pin_request *request, int parent) {
    struct failure failure = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int result = 0;
    if (request->want[NS_USER] != NS_UNWANTED) result = enter_user_namespace(parent, &failure);
    /* Changed credentials clear the death signal. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (result == 0) result = unshare_all(request, &failure);
    if (send_result(parent, &failure) < 0 || result < 0) _exit(1);
    struct failure end;
    (void)receive_result(parent, &end);
    _exit(0);
}

static void kill_child_in(pid_t *pid) {
    if (*pid <= 0) return;
    kill(*pid, SIGKILL);
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR) continue;
}

static int pin_from_child(const struct pin_request *request, struct failure *failure) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return fail(failure, errno, "socketpair");
    }
    _cleanup_close_ int ours = pair[0];
    _cleanup_close_ int theirs = pair[1];
    __attribute__((cleanup(kill_child_in))) pid_t child = fork();
    if (child < 0) return fail(failure, errno, "fork");
    if (child == 0) {
        close(take_fd(&ours));
        hold_namespaces(request, theirs);
    }
    close(take_fd(&theirs));
    if (request->want[NS_USER] != NS_UNWANTED) {
        struct failure done = {0};
        if (receive_result(ours, failure) < 0 || write_id_maps(request, child, failure) < 0) {
            return -1;
        }
        if (send_result(ours, &done) < 0) return fail(failure, errno, "tell the child");
    }
    if (receive_result(ours, failure) < 0) return -1;
    return pin_namespaces(request, child, failure);
}

int create_and_pin(const struct pin_request *request, struct failure *failure) {
    if (request->want[NS_USER] != NS_UNWANTED || request->want[NS_MNT] != NS_UNWANTED) {
        return pin_from_child(request, failure);
    }
    if (unshare_all(request, failure) < 0) return -1;
    return pin_namespaces(request, 0, failure);
}
