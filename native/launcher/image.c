#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "../base/cleanup.h"
#include "launcher.h"

enum { HEADERS_MAX = 32 };

/* Where the parts of an image go relative to each other. */
struct layout {
    Elf64_Ehdr header;
    Elf64_Phdr segments[HEADERS_MAX];
    uintptr_t start; /* lowest and highest address, page-aligned */
    uintptr_t end;
    uintptr_t alignment;
};

static uintptr_t page_size(void) {
    return (uintptr_t)sysconf(_SC_PAGESIZE);
}

static uintptr_t page_floor(uintptr_t address) {
    return address & ~(page_size() - 1);
}

static uintptr_t page_ceiling(uintptr_t address) {
    return page_floor(address + page_size() - 1);
}

static int read_layout(int fd, const struct payload_entry *entry, struct layout *layout) {
    Elf64_Ehdr *header = &layout->header;
    if (pread(fd, header, sizeof *header, (off_t)entry->offset) != (ssize_t)sizeof *header ||
        memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_type != ET_DYN ||
        header->e_phnum > HEADERS_MAX) {
        return -1;
    }
    size_t size = header->e_phnum * sizeof(Elf64_Phdr);
    off_t offset = (off_t)(entry->offset + header->e_phoff);
    if (pread(fd, layout->segments, size, offset) != (ssize_t)size) return -1;
    layout->start = UINTPTR_MAX;
    layout->end = 0;
    layout->alignment = page_size();
    for (size_t i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr *segment = &layout->segments[i];
        if (segment->p_type != PT_LOAD) continue;
        uintptr_t start = page_floor(segment->p_vaddr);
        uintptr_t end = page_ceiling(segment->p_vaddr + segment->p_memsz);
        if (start < layout->start) layout->start = start;
        if (end > layout->end) layout->end = end;
        if (segment->p_align > layout->alignment) layout->alignment = segment->p_align;
    }
    return layout->start < layout->end ? 0 : -1;
}

/* Reserves room for the whole image, aligned as its strictest segment wants it. */
static int reserve(const struct layout *layout, uintptr_t *base) {
    size_t size = layout->end - layout->start;
    size_t room = size + layout->alignment;
    char *area = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) return -1;
    uintptr_t first = (uintptr_t)area;
    uintptr_t start = (first + layout->alignment - 1) & ~(layout->alignment - 1);
    if (start > first) munmap(area, start - first);
    if (first + room > start + size) munmap((void *)(start + size), first + room - start - size);
    *base = start - layout->start;
    return 0;
}

static int protection(const Elf64_Phdr *segment) {
    return ((segment->p_flags & PF_R) != 0 ? PROT_READ : 0) |
           ((segment->p_flags & PF_W) != 0 ? PROT_WRITE : 0) |
           ((segment->p_flags & PF_X) != 0 ? PROT_EXEC : 0);
}

static int map_segment(int fd, uint64_t file_offset, uintptr_t base, const Elf64_Phdr *segment) {
    uintptr_t address = base + segment->p_vaddr;
    uintptr_t start = page_floor(address);
    uintptr_t file_end = address + segment->p_filesz;
    uintptr_t end = page_ceiling(address + segment->p_memsz);
    uintptr_t mapped_end = start;
    if (segment->p_filesz > 0) {
        mapped_end = page_ceiling(file_end);
        off_t offset = (off_t)(file_offset + segment->p_offset - (address - start));
        if (mmap((void *)start, mapped_end - start, protection(segment), MAP_PRIVATE | MAP_FIXED,
                 fd, offset) == MAP_FAILED) {
            return -1;
        }
        /* What follows in the file is not the program's; its zeroed data begins there. */
        if ((segment->p_flags & PF_W) != 0) memset((void *)file_end, 0, mapped_end - file_end);
    }
    if (end > mapped_end &&
        mmap((void *)mapped_end, end - mapped_end, protection(segment),
             MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
        return -1;
    }
    return 0;
}

int map_image(int fd, const struct payload_entry *entry, struct image *image,
              struct failure *failure) {
    struct layout layout;
    if (read_layout(fd, entry, &layout) < 0) {
        return fail(failure, 0, "%s: not a position-independent ELF program", entry->name);
    }
    uintptr_t base;
    if (reserve(&layout, &base) < 0) return fail(failure, errno, "map %s", entry->name);
    for (size_t i = 0; i < layout.header.e_phnum; i++) {
        const Elf64_Phdr *segment = &layout.segments[i];
        if (segment->p_type != PT_LOAD) continue;
        if (map_segment(fd, entry->offset, base, segment) < 0) {
            return fail(failure, errno, "map %s", entry->name);
        }
        if (segment->p_offset <= layout.header.e_phoff &&
            layout.header.e_phoff < segment->p_offset + segment->p_filesz) {
            image->headers = base + segment->p_vaddr + layout.header.e_phoff - segment->p_offset;
        }
    }
    image->base = base;
    image->entry = base + layout.header.e_entry;
    image->header_count = layout.header.e_phnum;
    return 0;
}
