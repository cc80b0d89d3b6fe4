#include <alloca.h>
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "launcher.h"

/* What the kernel tells a new program about itself, and what it would say for the mapped one. */
static size_t copy_auxiliary(Elf64_auxv_t *into, const Elf64_auxv_t *from,
                             const struct image *program, const struct image *loader) {
    size_t count = 0;
    for (;; from++) {
        Elf64_auxv_t value = *from;
        switch (value.a_type) {
        case AT_PHDR: value.a_un.a_val = program->headers; break;
        case AT_PHNUM: value.a_un.a_val = program->header_count; break;
        case AT_PHENT: value.a_un.a_val = sizeof(Elf64_Phdr); break;
        case AT_ENTRY: value.a_un.a_val = program->entry; break;
        case AT_BASE: value.a_un.a_val = loader->base; break;
        default: break;
        }
        into[count++] = value;
        if (value.a_type == AT_NULL) return count;
    }
}

static const Elf64_auxv_t *kernel_auxiliary(void) {
    extern char **environ;
    char **end = environ;
    while (*end != NULL) end++;
    return (const Elf64_auxv_t *)(end + 1);
}

/* The first word of a process's stack is argc; registers hold nothing that the loader should call. */
static _Noreturn void jump(uintptr_t entry, uintptr_t *stack) {
#if defined(__x86_64__)
    __asm__ volatile("mov %1, %%rsp\n\txor %%edx, %%edx\n\txor %%ebp, %%ebp\n\tjmp *%0"
                     :
                     : "r"(entry), "r"(stack)
                     : "rdx", "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov sp, %1\n\tmov x0, xzr\n\tmov x29, xzr\n\tmov x30, xzr\n\tbr %0"
                     :
                     : "r"(entry), "r"(stack)
                     : "x0", "memory");
#else
#error "the launcher knows no such processor"
#endif
    __builtin_unreachable();
}

_Noreturn void start_program(const struct image *program, const struct image *loader,
                             const char *const *arguments, size_t argument_count,
                             const char *const *variables, size_t variable_count) {
    const Elf64_auxv_t *auxiliary = kernel_auxiliary();
    size_t auxiliary_count = 1;
    while (auxiliary[auxiliary_count - 1].a_type != AT_NULL) auxiliary_count++;

    /* argc, argv, NULL, envp, NULL, auxv: on this stack, which becomes the program's. */
    size_t words = 1 + argument_count + 1 + variable_count + 1;
    size_t size = words * sizeof(uintptr_t) + auxiliary_count * sizeof(Elf64_auxv_t);
    uintptr_t *stack = alloca(size + 16);
    stack = (uintptr_t *)(((uintptr_t)stack + 15) & ~(uintptr_t)15);
    uintptr_t *word = stack;
    *word++ = argument_count;
    for (size_t i = 0; i < argument_count; i++) *word++ = (uintptr_t)arguments[i];
    *word++ = 0;
    for (size_t i = 0; i < variable_count; i++) *word++ = (uintptr_t)variables[i];
    *word++ = 0;
    copy_auxiliary((Elf64_auxv_t *)word, auxiliary, program, loader);
    jump(loader->entry, stack);
}
