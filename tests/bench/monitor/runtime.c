/*
 * An OCI runtime that makes no container: its `create` starts a process with the streams that it was
 * given, writes the pid and ends. What is left of the time is the monitor's.
 *
 * BENCH_LINE and BENCH_BYTES tell the process to write so many bytes in lines of that length before it
 * waits to be killed; BENCH_DONE is a file it makes when it has.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITE_SIZE = 65536 };

static void write_lines(size_t line, size_t bytes) {
    size_t room = WRITE_SIZE > line ? WRITE_SIZE : line;
    char *data = malloc(room * 2);
    memset(data, 'x', room * 2);
    for (size_t at = line - 1; at < room * 2; at += line) data[at] = '\n';
    /* Each write begins where the last one ended in the pattern. */
    for (size_t done = 0; done < bytes;) {
        size_t size = bytes - done < WRITE_SIZE ? bytes - done : WRITE_SIZE;
        ssize_t count = write(1, data + done % line, size);
        if (count <= 0) exit(1);
        done += (size_t)count;
    }
    free(data);
}

static void run(void) {
    const char *line = getenv("BENCH_LINE"), *bytes = getenv("BENCH_BYTES");
    if (line != NULL) write_lines((size_t)atol(line), (size_t)atol(bytes));
    const char *done = getenv("BENCH_DONE");
    if (done != NULL) close(open(done, O_WRONLY | O_CREAT, 0600));
    for (;;) pause();
}

int main(int argc, char **argv) {
    const char *pid_file = NULL;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--pid-file") == 0) pid_file = argv[i + 1];
    }
    if (pid_file == NULL) return 1;
    pid_t pid = fork();
    if (pid == 0) run();
    int fd = open(pid_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dprintf(fd, "%d", (int)pid);
    return 0;
}
