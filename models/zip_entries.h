/*
 * The entries of a zip archive that are stored, not compressed, as torch.save() writes them
 * (PKWARE's APPNOTE.TXT, zip64 included). Written here because libraries for zip copy entries out
 * through a stream, and know compression and encryption: here an entry is a range of the file,
 * which stays mapped, and anything else is refused.
 */
#ifndef BR_ZIP_ENTRIES_H
#define BR_ZIP_ENTRIES_H

#include <stdint.h>

#include "common/error.h"

/** A stored file, inside the archive's bytes. */
typedef struct br_zip_entry {
    const char *name; /* [name_length], without a NUL */
    size_t name_length;
    const uint8_t *data; /* [size] */
    size_t size;
} br_zip_entry;

/** An archive's entries, sorted by name. Release with br_free(zip.entries). */
typedef struct br_zip {
    br_zip_entry *entries; /* [count] */
    size_t count;
} br_zip;

/**
 * Reads the directory of an archive [size]; its bytes are borrowed. Every entry lies inside them.
 * Errors: NOMEM, FORMAT, UNSUPPORTED (compressed, encrypted), naming `path` and the entry.
 */
bertrun_status br_zip_read(br_zip *out, const uint8_t *bytes, size_t size, const char *path,
                           bertrun_error *error);

/** The entry of a name, or NULL. */
const br_zip_entry *br_zip_find(const br_zip *zip, const char *name, size_t length);

#endif
