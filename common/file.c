#define _GNU_SOURCE /* O_TMPFILE */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"

static bertrun_status fail_errno(bertrun_error *error, const char *path, const char *what)
{
    bertrun_status status = errno == ENOMEM ? BERTRUN_ERR_NOMEM : BERTRUN_ERR_IO;
    return br_fail(error, status, "%s: %s: %s", path, what, strerror(errno));
}

enum { LARGE_FILE = 8 << 20 }; /* bytes from which huge pages are worth their rounding */

static bertrun_status read_all(br_file *out, int fd, const char *path, size_t size,
                               bertrun_error *error)
{
    uint8_t *data = size < LARGE_FILE ? br_alloc(size, 1) : br_alloc_huge(size);
    if (!data)
        return br_fail(error, BERTRUN_ERR_NOMEM, "%s: out of memory (%zu bytes)", path, size);
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, data + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            bertrun_status status =
                got < 0 ? fail_errno(error, path, "cannot read")
                        : br_fail(error, BERTRUN_ERR_IO, "%s: the file became shorter", path);
            br_free(data);
            return status;
        }
        done += (size_t)got;
    }
    *out = (br_file){.data = data, .size = size};
    return BERTRUN_OK;
}

static bertrun_status map_all(br_file *out, int fd, const char *path, size_t size,
                              bertrun_error *error)
{
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return fail_errno(error, path, "cannot map");
    *out = (br_file){.data = data, .size = size, .mapped = true};
    return BERTRUN_OK;
}

bertrun_status br_file_open(br_file *out, const char *path, bool map, bertrun_error *error)
{
    *out = (br_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(error, path, "cannot open");
    struct stat stat;
    bertrun_status status;
    if (fstat(fd, &stat) < 0)
        status = fail_errno(error, path, "cannot stat");
    else if (!S_ISREG(stat.st_mode))
        status = br_fail(error, BERTRUN_ERR_IO, "%s: not a regular file", path);
    else if (map && stat.st_size > 0)
        status = map_all(out, fd, path, (size_t)stat.st_size, error);
    else
        status = read_all(out, fd, path, (size_t)stat.st_size, error);
    close(fd);
    return status;
}

void br_file_close(br_file *file)
{
    if (file->mapped)
        munmap((void *)file->data, file->size);
    else
        br_free((void *)file->data);
    *file = (br_file){0};
}

bool br_path_is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool br_path_is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

enum { TEMPORARY_SUFFIX = 32 }; /* bytes for ".PID.N.tmp" and the NUL */

/*
 * Gives a file a name beside `path`, which goes to `temporary`: the one that `unnamed` is open on,
 * or where that is -1 a new one, with the permissions that the umask allows. Returns its
 * descriptor, or -1 with errno.
 */
static int create_beside(char *temporary, const char *path, int unnamed)
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", unnamed);
    for (int attempt = 0;; attempt++) {
        sprintf(temporary, "%s.%d.%d.tmp", path, (int)getpid(), attempt);
        int fd = unnamed;
        if (unnamed < 0)
            fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        else if (linkat(AT_FDCWD, link, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) != 0)
            fd = -1;
        if (fd >= 0 || errno != EEXIST || attempt == 999)
            return fd;
    }
}

/* A file without a name in the directory of `path`, of which nothing is left if this process is
 * killed; -1 where the system cannot. `directory` is [strlen(path) + 2] of scratch. */
static int create_unnamed(char *directory, const char *path)
{
    strcpy(directory, path);
    char *slash = strrchr(directory, '/');
    strcpy(slash ? slash + 1 : directory, ".");
    if (access("/proc/self/fd", X_OK) != 0)
        return -1;
    return open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
}

/* What a symbolic link says, seen from where the link is; NULL: `path` is no link, or out of
 * memory.
 */
static char *follow(const char *path)
{
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof target);
    if (length <= 0 || (size_t)length == sizeof target)
        return NULL;
    const char *slash = target[0] == '/' ? NULL : strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    char *name = br_alloc(folder + (size_t)length + 1, 1);
    if (name) {
        memcpy(name, path, folder);
        memcpy(name + folder, target, (size_t)length);
        name[folder + (size_t)length] = '\0';
    }
    return name;
}

/* The path to write: what symbolic links lead to, there yet or not, so that none is replaced. Links
 * to what is there are not read: those of /proc lead to pipes that have no path. */
static char *resolve(const char *path)
{
    enum { MAX_LINKS = 40 }; /* as Linux follows */
    struct stat there;
    char *name = br_strndup(path, strlen(path));
    for (int links = 0; name && stat(name, &there) != 0 && links < MAX_LINKS; links++) {
        char *next = follow(name);
        if (!next)
            break;
        br_free(name);
        name = next;
    }
    char *target = name ? realpath(name, NULL) : NULL; /* NULL: nothing there yet */
    if (target) {
        br_free(name);
        name = br_strndup(target, strlen(target));
    }
    free(target);
    return name;
}

/*
 * Devices, pipes and sockets are written to as they are; only a file can be replaced whole, by one
 * with its permissions.
 */
static int create(br_file_writer *writer)
{
    struct stat old;
    bool exists = stat(writer->path, &old) == 0;
    if (exists && !S_ISREG(old.st_mode))
        return open(writer->path, O_WRONLY | O_CLOEXEC);
    writer->temporary = br_alloc(strlen(writer->path) + TEMPORARY_SUFFIX, 1);
    if (!writer->temporary) {
        errno = ENOMEM;
        return -1;
    }
    int fd = create_unnamed(writer->temporary, writer->path);
    writer->temporary[0] = '\0';
    if (fd < 0)
        fd = create_beside(writer->temporary, writer->path, -1);
    if (fd < 0) {
        int fault = errno;
        br_free(writer->temporary);
        writer->temporary = NULL;
        errno = fault;
    }
    if (fd >= 0 && exists)
        (void)fchmod(fd, old.st_mode & 0777);
    return fd;
}

bertrun_status br_file_writer_open(br_file_writer *out, const char *path, bertrun_error *error)
{
    *out = (br_file_writer){.path = resolve(path)};
    if (!out->path)
        return br_fail_nomem(error);
    int fd = create(out);
    out->stream = fd < 0 ? NULL : fdopen(fd, "wb");
    if (out->stream)
        return BERTRUN_OK;
    bertrun_status status = fail_errno(error, path, "cannot create");
    if (fd >= 0)
        close(fd);
    br_file_writer_discard(out);
    return status;
}

bertrun_status br_file_writer_write(br_file_writer *writer, const void *data, size_t size,
                                    bertrun_error *error)
{
    if (size && fwrite(data, 1, size, writer->stream) != size)
        return fail_errno(error, writer->path, "cannot write");
    return BERTRUN_OK;
}

/* What is no file, a pipe say, cannot be synced and need not be. */
static bool sync_stream(FILE *stream)
{
    return fflush(stream) == 0 && (fsync(fileno(stream)) == 0 || errno == EINVAL);
}

static bertrun_status sync_and_name(br_file_writer *writer, bertrun_error *error)
{
    if (!sync_stream(writer->stream))
        return fail_errno(error, writer->path, "cannot write");
    if (!writer->temporary || writer->temporary[0] ||
        create_beside(writer->temporary, writer->path, fileno(writer->stream)) >= 0)
        return BERTRUN_OK;
    writer->temporary[0] = '\0';
    return fail_errno(error, writer->path, "cannot create");
}

bertrun_status br_file_writer_commit(br_file_writer *writer, bertrun_error *error)
{
    bertrun_status status = sync_and_name(writer, error);
    if (fclose(writer->stream) != 0 && status == BERTRUN_OK)
        status = fail_errno(error, writer->path, "cannot write");
    writer->stream = NULL;
    if (status == BERTRUN_OK && writer->temporary) {
        if (rename(writer->temporary, writer->path) != 0)
            status = fail_errno(error, writer->path, "cannot rename into place");
        else
            writer->temporary[0] = '\0';
    }
    br_file_writer_discard(writer);
    return status;
}

void br_file_writer_discard(br_file_writer *writer)
{
    if (writer->stream)
        fclose(writer->stream);
    if (writer->temporary && writer->temporary[0])
        unlink(writer->temporary);
    br_free(writer->path);
    br_free(writer->temporary);
    *writer = (br_file_writer){0};
}
