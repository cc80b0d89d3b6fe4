/* A null device that is nobody else's. */
#pragma once

/*
 * Opens it for reading and writing, close-on-exec; -1 on failure.
 *
 * What a process in a container gets as its input, its runtime may chown to the process's user (crun
 * 1.8 does, for commands and with user namespaces), who may then chmod it through /proc/self/fd: that
 * must not be the host's /dev/null. A pipe would not do: programs such as ripgrep take a pipe for
 * input that is meant for them. So the device is in a file system of its own, which is mounted nowhere
 * and goes with the last descriptor. Where the kernel does not let us make that (in a user namespace),
 * nobody can chown the host's either, and that is opened.
 */
int open_null_device(void);

/* Makes such a device this process's stdin; -1 on failure. */
int take_null_input(void);
