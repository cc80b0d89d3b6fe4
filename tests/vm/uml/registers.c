// Lets User-Mode Linux run where the processor has more registers than the kernel was built for
// (AMX): it hands ptrace(2) a buffer that is too small, and the host refuses to set registers from
// that. Preloaded; hands over the registers that UML knows, and leaves the others as they are at a
// program's start.

#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { XSTATE = 0x202 }; // NT_X86_XSTATE

static unsigned char area[1 << 16] __attribute__((aligned(64)));

// As large as this processor has it; 0 when it cannot be known. All but the part that UML knows of
// stays zero, which stands for registers that were never used.
static size_t area_size(long pid) {
    static size_t size;
    if (size == 0) {
        struct iovec iov = {area, sizeof area};
        if (syscall(SYS_ptrace, (long)PTRACE_GETREGSET, pid, (long)XSTATE, &iov) != 0) return 0;
        size = iov.iov_len;
        memset(area, 0, sizeof area);
    }
    return size;
}

long ptrace(enum __ptrace_request request, ...) {
    va_list list;
    va_start(list, request);
    const long pid = va_arg(list, pid_t);
    const long address = va_arg(list, long);
    void *data = va_arg(list, void *);
    va_end(list);

    if (request == PTRACE_SETREGSET && (int)address == XSTATE) {
        const struct iovec *known = data;
        const size_t size = area_size(pid);
        if (known->iov_len < size) {
            memcpy(area, known->iov_base, known->iov_len);
            struct iovec whole = {area, size};
            return syscall(SYS_ptrace, (long)request, pid, address, &whole);
        }
    }
    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        long word = 0;
        if (syscall(SYS_ptrace, (long)request, pid, address, &word) != 0) return -1;
        errno = 0;
        return word;
    }
    return syscall(SYS_ptrace, (long)request, pid, address, data);
}
