/* An input that is at its end. */
#pragma once

/*
 * An fd to read from, of a pipe that nobody writes to, or -1. For programs that may change the owner
 * of their stdin, as OCI runtimes do: /dev/null is the host's.
 */
int open_empty_input(void);
