/*
 * launcher: the head of dist/crid. The file carries a dynamic program (the Deno runtime), its loader,
 * the libraries and files it needs, and depends on nothing of the host.
 *
 *   dist/crid = launcher | header, table | contents, each aligned
 *
 * The header is found behind the launcher's own ELF image. The program comes last, because a product of
 * `deno compile` looks for its data at the end of the file.
 *
 * The program and the loader are mapped straight from the file; only what must have a path of its own
 * (libraries, bundles, helpers) is unpacked, once, into a directory named for the payload's digest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/failure.h"

/* scripts/build/payload.ts writes these; keep both alike. All numbers are little-endian. */
#define PAYLOAD_MAGIC "crid\nv1\n"
enum { PAYLOAD_DIGEST_LENGTH = 32, PAYLOAD_NAME_SIZE = 104, PAYLOAD_HEADER_ALIGNMENT = 4096 };

enum payload_kind {
    PAYLOAD_FILE = 1,      /* unpacked under its name */
    PAYLOAD_LINK = 2,      /* content is the target of a symbolic link */
    PAYLOAD_PROGRAM = 3,   /* the ELF program that is started */
    PAYLOAD_LOADER = 4,    /* the ELF loader that it is linked with */
    PAYLOAD_ARGUMENTS = 5, /* NUL-terminated arguments put before the user's; `%/` is the directory */
    PAYLOAD_VARIABLES = 6, /* NUL-terminated NAME=VALUE; `%/` is the directory */
};

struct payload_entry {
    uint64_t offset;
    uint64_t size;
    uint32_t kind;
    uint32_t mode;
    char name[PAYLOAD_NAME_SIZE];
};

/* Followed by the table of entries. */
struct payload_header {
    char magic[8];
    uint64_t file_size;
    uint64_t count;
    char digest[PAYLOAD_DIGEST_LENGTH]; /* hexadecimal, of the table and all contents */
};

struct payload {
    int fd; /* dist/crid itself */
    char path[4096];
    char digest[PAYLOAD_DIGEST_LENGTH + 1];
    struct payload_entry *entries;
    size_t count;
};

/* payload.c */
int open_payload(struct payload *payload, struct failure *failure);
void close_payload(struct payload *payload);
const struct payload_entry *find_entry(const struct payload *payload, enum payload_kind kind);
/* The whole content with a NUL behind it; the caller frees it. */
int read_entry(const struct payload *payload, const struct payload_entry *entry, char **content,
               struct failure *failure);

/*
 * namespace.c: joins the mount namespace that the variable names, for which a process must have no
 * threads yet. The variable stays for a program that is not in it, to say so.
 */
#define MOUNT_NAMESPACE "KUBENSMNT"
bool join_mount_namespace(void);

/* directory.c: finds or makes the directory with the unpacked files. */
int find_directory(const struct payload *payload, char directory[4096], struct failure *failure);

/* unpack.c */
int unpack_into(const struct payload *payload, int directory, struct failure *failure);
/* 1 when every file is there, ours alone to change, and byte for byte the payload's; else 0. */
int is_unpacked(const struct payload *payload, int directory);

/* image.c: maps an ELF file that lies at `offset` in `fd`. */
struct image {
    uintptr_t base;
    uintptr_t entry;
    uintptr_t headers;
    size_t header_count;
};
int map_image(int fd, const struct payload_entry *entry, struct image *image,
              struct failure *failure);

/* start.c: becomes the program; does not return. */
_Noreturn void start_program(const struct image *program, const struct image *loader,
                             const char *const *arguments, size_t argument_count,
                             const char *const *variables, size_t variable_count);
