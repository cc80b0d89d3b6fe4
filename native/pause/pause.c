/*
 * pause: the first process of a pod whose containers share a PID namespace. It holds the namespace
 * open, reaps what is left to it, and ends on SIGTERM or SIGINT.
 */
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

#include "../base/programs.h"

int pause_main(int argc, char **argv) {
    (void)argc;
    (void)argv;
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    /* Blocked signals are queued even for PID 1, which drops those without a handler. */
    if (sigprocmask(SIG_BLOCK, &wanted, NULL) < 0) return 1;
    for (;;) {
        int number = sigwaitinfo(&wanted, NULL);
        if (number == SIGTERM || number == SIGINT) return 0;
        while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    }
}
