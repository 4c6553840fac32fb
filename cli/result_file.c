#include "cli/result_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The temporary file's name, for the signal handler too; empty where there is none. One at a time.
 */
static char temporary[4096];

static void remove_temporary(void)
{
    if (temporary[0])
        unlink(temporary);
    temporary[0] = '\0';
}

static void die_of_signal(int number)
{
    remove_temporary();
    raise(number); /* SA_RESETHAND: the default action this time */
}

static void catch_signals(void)
{
    const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    struct sigaction action = {.sa_handler = die_of_signal, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction old;
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

static bool fail_errno(const result_file *file, const char *what)
{
    cli_fail("%s: %s: %s", file->name, what, strerror(errno));
    return false;
}

/* Creates the temporary file beside file->path, with the permissions that the umask allows. */
static int create_temporary(const result_file *file)
{
    int length = snprintf(temporary, sizeof temporary, "%s.%d.tmp", file->path, (int)getpid());
    if (length < 0 || (size_t)length >= sizeof temporary) {
        temporary[0] = '\0';
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        temporary[0] = '\0';
    else
        catch_signals();
    return fd;
}

/* Opens the descriptor to write to and sets file->path where it is a temporary file. */
static int open_path(result_file *file, const char *path)
{
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (!*path || (exists && !S_ISREG(status.st_mode)))
        return open(path, O_WRONLY | O_CLOEXEC);
    file->path = exists ? realpath(path, NULL) : strdup(path); /* a link stays a link */
    int fd = file->path ? create_temporary(file) : -1;
    if (fd >= 0 && exists)
        (void)fchmod(fd, status.st_mode & 0777); /* a private file stays private */
    return fd;
}

bool result_file_open(result_file *file, const char *path)
{
    *file = (result_file){.stream = stdout, .name = "standard output"};
    if (!path || strcmp(path, "-") == 0)
        return true;
    *file = (result_file){.name = path};
    int fd = open_path(file, path);
    if (fd >= 0)
        file->stream = fdopen(fd, "wb");
    if (file->stream)
        return true;
    fail_errno(file, "cannot create");
    if (fd >= 0)
        close(fd);
    result_file_discard(file);
    return false;
}

bool result_file_flush(result_file *file)
{
    if (fflush(file->stream) != 0 || ferror(file->stream))
        return fail_errno(file, "cannot write");
    return true;
}

bool result_file_commit(result_file *file)
{
    bool good = result_file_flush(file);
    if (good && file->path && fsync(fileno(file->stream)) != 0)
        good = fail_errno(file, "cannot write");
    if (good && file->path && rename(temporary, file->path) != 0)
        good = fail_errno(file, "cannot rename into place");
    if (good && file->path)
        temporary[0] = '\0';
    result_file_discard(file);
    return good;
}

void result_file_discard(result_file *file)
{
    if (file->stream && file->stream != stdout)
        fclose(file->stream);
    if (file->path)
        remove_temporary();
    free(file->path);
    *file = (result_file){0};
}
