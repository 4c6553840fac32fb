#include "cli/hidden_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/result_file.h"

cli_exit hidden_files_begin(const char *directory)
{
    struct stat status;
    if (mkdir(directory, 0777) == 0)
        return CLI_OK;
    if (errno != EEXIST)
        return cli_fail("%s: cannot make the directory: %s", directory, strerror(errno));
    return stat(directory, &status) == 0 && S_ISDIR(status.st_mode)
               ? CLI_OK
               : cli_fail("%s: not a directory; hidden states are a file for each text", directory);
}

/* One file, whole or not at all. */
static bool write_file(const char *path, const result_writer *pattern, const result_row *row)
{
    result_file file = {0};
    result_writer writer = *pattern;
    if (!result_file_open(&file, path))
        return false;
    writer.stream = file.stream;
    writer.states = row->states;
    writer.rows = 0;
    writer.format->begin(&writer);
    writer.format->row(&writer, row);
    writer.format->end(&writer);
    bool good = !writer.failed && result_file_commit(&file);
    result_file_discard(&file);
    return good;
}

bool hidden_files_write(const char *directory, const result_writer *writer, const result_row *row)
{
    size_t size = strlen(directory) + 32;
    char *path = cli_realloc(NULL, size, 1);
    if (!path)
        return false;
    snprintf(path, size, "%s/%06zu.npy", directory, row->index);
    bool good = write_file(path, writer, row);
    free(path);
    return good;
}
