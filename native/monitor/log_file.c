#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"

enum {
    PREFIX_SIZE = 43,            /* stamp, blank, stream, blank */
    HEAD_SIZE = PREFIX_SIZE + 2, /* and tag, blank */
};

int open_log_file(struct log_file *file, const char *path, const struct options *options,
                  struct failure *failure) {
    if (options->log_rotate && check_rotation(path, options, failure) < 0) return -1;
    file->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    struct stat status;
    if (file->fd < 0 || fstat(file->fd, &status) < 0) {
        return fail(failure, errno, "Failed to open log file %s", path);
    }
    file->path = path;
    file->size = status.st_size;
    file->size_max = options->log_size_max > 0 ? options->log_size_max : 0;
    file->total_max = options->log_global_size_max > 0 ? options->log_global_size_max : 0;
    file->limited = file->size_max > 0 || file->total_max > 0;
    file->rotate = options->log_rotate;
    file->files_max = options->log_max_files;
    return 0;
}

/* Notes how far a write got: a line that was cut is ended before the next one begins. */
static void note_written(struct log_file *file, size_t count) {
    if (count == 0) return;
    file->size += (int64_t)count;
    file->torn = file->buffer[count - 1] != '\n';
}

static void flush(struct log_file *file) {
    size_t done = 0;
    while (done < file->used) {
        ssize_t count = write(file->fd, file->buffer + done, file->used - done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        done += (size_t)count;
    }
    note_written(file, done);
    file->used = 0;
}

/*
 * Makes room for a line of `size` bytes, within the limits; false when the total limit allows no more.
 */
static bool make_room(struct log_file *file, size_t size) {
    if (file->total_max > 0 && file->total >= file->total_max) return false;
    file->total += (int64_t)size;
    int64_t present = file->size + (int64_t)file->used;
    if (file->size_max > 0 && present > 0 && present + (int64_t)size > file->size_max &&
        present >= file->retry_size) {
        flush(file);
        renew_log_file(file);
    }
    /* One byte more than the line: the newline that ends a torn one. */
    if (file->used + size + 1 > LOG_BUFFER_SIZE) flush(file);
    if (file->torn && file->used == 0) file->buffer[file->used++] = '\n';
    return true;
}

/* There are no limits to look at, no torn line to end, and room in the buffer. */
static inline bool has_room(const struct log_file *file, size_t size) {
    return !file->limited && !file->torn && file->used + size <= LOG_BUFFER_SIZE;
}

static inline void append_line(struct log_file *file, const char *head, const char *data,
                               size_t size) {
    size_t whole = HEAD_SIZE + size + 1;
    if (!has_room(file, whole) && !make_room(file, whole)) return;
    char *into = file->buffer + file->used;
    __builtin_memcpy(into, head, 48);
    copy_fast(into + HEAD_SIZE, data, size);
    into[whole - 1] = '\n';
    file->used += whole;
}

/* A line of any length: pieces, and what is left. */
static void append_pieces(struct log_file *file, char *head, const char *data, size_t size,
                          char tag) {
    head[PREFIX_SIZE] = 'P';
    for (; size > PIECE_SIZE; data += PIECE_SIZE, size -= PIECE_SIZE) {
        append_line(file, head, data, PIECE_SIZE);
    }
    head[PREFIX_SIZE] = tag;
    append_line(file, head, data, size);
    head[PREFIX_SIZE] = 'F';
}

static void write_head(struct log_file *file, enum stream stream, char head[48]) {
    write_stamp(&file->stamp, head);
    memcpy(head + STAMP_SIZE, stream == STREAM_STDOUT ? " stdout F " : " stderr F ", 10);
}

void write_log_file(struct log_file *file, enum stream stream, const char *data, size_t size) {
    char head[48] = {0};
    write_head(file, stream, head);
    size_t start = 0;
    for (size_t block = 0; block < size; block += 64) {
        uint64_t bits = newlines_in_64(data + block);
        if (size - block < 64) bits &= ((uint64_t)1 << (size - block)) - 1;
        for (; bits != 0; bits &= bits - 1) {
            size_t end = block + (size_t)__builtin_ctzll(bits);
            if (end - start <= PIECE_SIZE) append_line(file, head, data + start, end - start);
            else append_pieces(file, head, data + start, end - start, 'F');
            start = end + 1;
        }
    }
    if (start < size) append_pieces(file, head, data + start, size - start, 'P');
    flush(file);
}
