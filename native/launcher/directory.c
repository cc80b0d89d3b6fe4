#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "../base/cleanup.h"
#include "launcher.h"

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_tree(const char *path) {
    nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int make_directories(const char *path, struct failure *failure) {
    char partial[PATH_MAX];
    snprintf(partial, sizeof partial, "%s", path);
    for (char *slash = partial + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(partial, 0755) < 0 && errno != EEXIST) {
            return fail(failure, errno, "create %s", partial);
        }
        *slash = '/';
    }
    if (mkdir(path, 0755) == 0 || errno == EEXIST) return 0;
    return fail(failure, errno, "create %s", path);
}

/* The parent of all versions: nobody else may be able to rename what is in it. */
static int open_base(const char *base, struct failure *failure) {
    if (make_directories(base, failure) < 0) return -1;
    int fd = open(base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return fail(failure, errno, "open %s", base);
    struct stat status;
    struct statvfs file_system;
    if (fstat(fd, &status) < 0 || fstatvfs(fd, &file_system) < 0) {
        (void)fail(failure, errno, "stat %s", base);
    } else if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        (void)fail(failure, 0, "%s: others may write to it", base);
    } else if ((file_system.f_flag & ST_NOEXEC) != 0) {
        (void)fail(failure, 0, "%s: mounted noexec", base);
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

/*
 * Opens the directory of this version if it is whole. The shared lock stays with the process for its
 * life and tells other versions that the files are in use.
 */
static bool is_ready(const struct payload *payload, const char *path) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || !is_unpacked(payload, fd)) return false;
    struct stat locked, named;
    if (fstat(fd, &locked) < 0 || stat(path, &named) < 0 || locked.st_ino != named.st_ino) {
        return false;
    }
    take_fd(&fd);
    return true;
}

/* Removes versions that no process uses, and what a killed launcher has left half made. */
static void remove_unused(const char *base, const char *keep) {
    DIR *list = opendir(base);
    if (list == NULL) return;
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        const char *name = entry->d_name[0] == '.' ? entry->d_name + 1 : entry->d_name;
        if (strlen(name) < PAYLOAD_DIGEST_LENGTH || strcmp(entry->d_name, keep) == 0 ||
            strspn(name, "0123456789abcdef") < PAYLOAD_DIGEST_LENGTH) {
            continue;
        }
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", base, entry->d_name);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) remove_tree(path);
    }
    closedir(list);
}

/* Unpacks beside the final name and renames, so that a directory is whole or not there. */
static int unpack(const struct payload *payload, const char *base, const char *path,
                  struct failure *failure) {
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s/.%s.XXXXXX", base, payload->digest);
    if (mkdtemp(temporary) == NULL) return fail(failure, errno, "create %s", temporary);
    _cleanup_close_ int fd = open(temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? fail(failure, errno, "open %s", temporary)
                        : unpack_into(payload, fd, failure);
    if (result == 0 && fchmod(fd, 0755) < 0) result = fail(failure, errno, "chmod %s", temporary);
    if (result == 0 && rename(temporary, path) < 0) {
        /* A damaged one is in the way; running programs keep the files that they have open. */
        remove_tree(path);
        if (rename(temporary, path) < 0) result = fail(failure, errno, "rename to %s", path);
    }
    if (result < 0) remove_tree(temporary);
    return result;
}

static int use_base(const struct payload *payload, const char *base, char path[PATH_MAX],
                    struct failure *failure) {
    _cleanup_close_ int fd = open_base(base, failure);
    if (fd < 0) return -1;
    if (snprintf(path, PATH_MAX, "%s/%s", base, payload->digest) >= PATH_MAX - 32) {
        return fail(failure, ENAMETOOLONG, "%s", base);
    }
    if (is_ready(payload, path)) return 0;
    /* One at a time; whoever waited looks again. */
    if (flock(fd, LOCK_EX) < 0) return fail(failure, errno, "lock %s", base);
    if (is_ready(payload, path)) return 0;
    remove_unused(base, payload->digest);
    if (unpack(payload, base, path, failure) < 0) return -1;
    if (is_ready(payload, path)) return 0;
    return fail(failure, 0, "%s changes while it is used", path);
}

/* Tries one place; notes why it did not do. */
static int try_base(const struct payload *payload, const char *base, char path[PATH_MAX],
                    struct failure *all) {
    struct failure one;
    if (use_base(payload, base, path, &one) == 0) return 0;
    size_t used = strlen(all->text);
    snprintf(all->text + used, sizeof all->text - used, "\n  %s", one.text);
    return -1;
}

int find_directory(const struct payload *payload, char directory[PATH_MAX],
                   struct failure *failure) {
    *failure = (struct failure){.text = "no place to unpack to (set CRID_RUNTIME_DIR to a "
                                        "directory that can be written and executed from):"};
    const char *chosen = getenv("CRID_RUNTIME_DIR");
    if (chosen != NULL && chosen[0] != '\0') {
        char absolute[PATH_MAX] = "";
        if (chosen[0] != '/' && getcwd(absolute, sizeof absolute - 1) != NULL) {
            strcat(absolute, "/");
        }
        size_t used = strlen(absolute);
        snprintf(absolute + used, sizeof absolute - used, "%s", chosen);
        return try_base(payload, absolute, directory, failure);
    }
    char private[64];
    snprintf(private, sizeof private, "/tmp/crid-%u", (unsigned)geteuid());
    const char *const bases[] = {"/run/crid/runtime", "/var/lib/crid/runtime", private};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        if (try_base(payload, bases[i], directory, failure) == 0) return 0;
    }
    return -1;
}
