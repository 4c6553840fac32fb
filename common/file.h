/* Whole files: read into private memory or mapped; written so that they appear whole or not at all.
 */
#ifndef BR_FILE_H
#define BR_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "common/error.h"

/** A file's bytes; read-only. Zero-initialized it is empty and safe to close. */
typedef struct br_file {
    const uint8_t *data; /* [size], 64-byte aligned */
    size_t size;
    bool mapped;
} br_file;

/**
 * Opens `path` and reads it (private memory), or maps it where `map` is set. Refuses directories
 * and other things that are no regular file. Errors: IO, NOMEM, each naming the path.
 */
bertrun_status br_file_open(br_file *out, const char *path, bool map, bertrun_error *error);
void br_file_close(br_file *file);

/** Whether `path` exists and is a directory / a regular file. */
bool br_path_is_directory(const char *path);
bool br_path_is_file(const char *path);

/**
 * A file under construction: bytes go to a temporary file beside `path`, which has no name before
 * it is committed, where the file system can do so: of a process that is killed nothing is left.
 * Where `path` is a device or a pipe they go straight there.
 */
typedef struct br_file_writer {
    FILE *stream;
    char *path;      /* symbolic links resolved */
    char *temporary; /* its name; empty: none so far; NULL: written in place */
} br_file_writer;

bertrun_status br_file_writer_open(br_file_writer *out, const char *path, bertrun_error *error);

/** Appends bytes; a failure may also surface only at commit. */
bertrun_status br_file_writer_write(br_file_writer *writer, const void *data, size_t size,
                                    bertrun_error *error);

/** Syncs and renames to the final path. On failure nothing is left behind. Closes the writer. */
bertrun_status br_file_writer_commit(br_file_writer *writer, bertrun_error *error);

/** Drops what was written; safe after commit and on a zero-initialized writer. */
void br_file_writer_discard(br_file_writer *writer);

#endif
