#define _GNU_SOURCE /* O_TMPFILE */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"
#include "model_fixture.h"

static model_fixture f;

static void set_up(void)
{
    fixture_bert(&f, false);
}

static void tear_down(void)
{
    fixture_close(&f);
}

TestSuite(file, .init = set_up, .fini = tear_down);

static void expect_content(const char *path, const char *text)
{
    br_file file;
    bertrun_error error;
    cr_assert_eq(br_file_open(&file, path, false, &error), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(file.size, strlen(text));
    cr_assert_arr_eq(file.data, text, file.size);
    br_file_close(&file);
}

static bertrun_status write_file(const char *path, const char *text, bertrun_error *error)
{
    br_file_writer writer;
    bertrun_status status = br_file_writer_open(&writer, path, error);
    if (status == BERTRUN_OK)
        status = br_file_writer_write(&writer, text, strlen(text), error);
    if (status == BERTRUN_OK)
        status = br_file_writer_commit(&writer, error);
    br_file_writer_discard(&writer);
    return status;
}

Test(file, read_and_mapped_bytes_are_the_same)
{
    fixture_text(&f, "a", "some bytes");
    for (int map = 0; map < 2; map++) {
        br_file file;
        cr_assert_eq(br_file_open(&file, fixture_path(&f, "a"), map, NULL), BERTRUN_OK);
        cr_assert_eq(file.mapped, map);
        cr_assert_eq(file.size, 10);
        cr_assert_arr_eq(file.data, "some bytes", 10);
        br_file_close(&file);
    }
}

Test(file, private_memory_survives_a_cut_file)
{
    br_file file;
    fixture_text(&f, "a", "some bytes");
    cr_assert_eq(br_file_open(&file, fixture_path(&f, "a"), false, NULL), BERTRUN_OK);
    cr_assert_eq(truncate(fixture_path(&f, "a"), 0), 0);
    cr_assert_arr_eq(file.data, "some bytes", 10);
    br_file_close(&file);
}

Test(file, what_is_no_file_is_refused_by_name)
{
    static const char *const paths[] = {"/nowhere/at/all", "/tmp", "/dev/null", ""};
    cr_assert_eq(mkfifo(fixture_path(&f, "fifo"), 0600), 0);
    br_file file;
    bertrun_error error;
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(br_file_open(&file, paths[i], false, &error), BERTRUN_ERR_IO);
        cr_expect_eq(strncmp(error.message, paths[i], strlen(paths[i])), 0, "%s", error.message);
        cr_expect_null(file.data);
    }
    cr_expect_eq(br_file_open(&file, fixture_path(&f, "fifo"), false, &error), BERTRUN_ERR_IO);
}

Test(file, an_empty_file_is_empty)
{
    fixture_text(&f, "a", "");
    for (int map = 0; map < 2; map++) {
        br_file file;
        cr_assert_eq(br_file_open(&file, fixture_path(&f, "a"), map, NULL), BERTRUN_OK);
        cr_assert_eq(file.size, 0);
        br_file_close(&file);
    }
}

Test(file, a_write_replaces_the_file_whole)
{
    bertrun_error error;
    fixture_text(&f, "a", "old");
    br_file_writer writer;
    cr_assert_eq(br_file_writer_open(&writer, fixture_path(&f, "a"), &error), BERTRUN_OK);
    cr_assert_eq(br_file_writer_write(&writer, "new text", 8, &error), BERTRUN_OK);
    expect_content(fixture_path(&f, "a"), "old");
    cr_assert_eq(br_file_writer_commit(&writer, &error), BERTRUN_OK);
    expect_content(fixture_path(&f, "a"), "new text");
    cr_assert_eq(fixture_count_files(&f), 1);
}

Test(file, a_discarded_write_leaves_nothing)
{
    br_file_writer writer;
    cr_assert_eq(br_file_writer_open(&writer, fixture_path(&f, "a"), NULL), BERTRUN_OK);
    cr_assert_eq(br_file_writer_write(&writer, "text", 4, NULL), BERTRUN_OK);
    br_file_writer_discard(&writer);
    br_file_writer_discard(&writer);
    cr_assert_eq(fixture_count_files(&f), 0);
}

Test(file, a_failed_write_leaves_the_old_file_and_no_other)
{
    static char text[100000];
    memset(text, 'x', sizeof text - 1);
    fixture_text(&f, "a", "old");
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    bertrun_error error;
    cr_assert_eq(write_file(fixture_path(&f, "a"), text, &error), BERTRUN_ERR_IO);
    cr_assert_not_null(strstr(error.message, "/a: cannot write"), "%s", error.message);
    expect_content(fixture_path(&f, "a"), "old");
    cr_assert_eq(fixture_count_files(&f), 1);
}

/* Whether the directory can hold a file without a name. */
static bool has_unnamed_files(void)
{
    int fd = open(f.directory, O_TMPFILE | O_WRONLY, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && access("/proc/self/fd", X_OK) == 0;
}

Test(file, a_killed_writer_leaves_nothing)
{
    if (!has_unnamed_files())
        cr_skip_test("needs O_TMPFILE, which this file system or this kernel has not");
    fixture_text(&f, "a", "old");
    size_t before = fixture_count_files(&f);
    pid_t child = fork();
    if (child == 0) {
        br_file_writer writer;
        if (br_file_writer_open(&writer, fixture_path(&f, "a"), NULL) == BERTRUN_OK &&
            br_file_writer_write(&writer, "new", 3, NULL) == BERTRUN_OK &&
            fflush(writer.stream) == 0)
            raise(SIGKILL);
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status), "%d", status);
    cr_expect_eq(fixture_count_files(&f), before);
}

Test(file, a_link_is_written_through)
{
    bertrun_error error;
    fixture_text(&f, "a", "old");
    cr_assert_eq(symlink("a", fixture_path(&f, "link")), 0);
    cr_assert_eq(write_file(fixture_path(&f, "link"), "new", &error), BERTRUN_OK);
    expect_content(fixture_path(&f, "a"), "new");
    struct stat stat;
    cr_assert_eq(lstat(fixture_path(&f, "link"), &stat), 0);
    cr_assert(S_ISLNK(stat.st_mode));
}

/* By way of another link, and from a folder of its own. */
Test(file, a_link_to_nothing_yet_is_written_through)
{
    bertrun_error error;
    fixture_write(&f, "folder/there", "", 0);
    cr_assert_eq(symlink("../second", fixture_path(&f, "folder/first")), 0);
    cr_assert_eq(symlink("new", fixture_path(&f, "second")), 0);
    cr_assert_eq(write_file(fixture_path(&f, "folder/first"), "text", &error), BERTRUN_OK, "%s",
                 error.message);
    expect_content(fixture_path(&f, "new"), "text");
    struct stat stat;
    cr_assert_eq(lstat(fixture_path(&f, "folder/first"), &stat), 0);
    cr_assert(S_ISLNK(stat.st_mode));
}

Test(file, devices_are_written_not_replaced)
{
    bertrun_error error;
    cr_assert_eq(write_file("/dev/null", "text", &error), BERTRUN_OK, "%s", error.message);
    cr_assert_eq(write_file("/dev/full", "text", &error), BERTRUN_ERR_IO);
    cr_assert_eq(strncmp(error.message, "/dev/full: cannot write", 23), 0, "%s", error.message);
    struct stat stat_buffer;
    cr_assert_eq(stat("/dev/null", &stat_buffer), 0);
    cr_assert(S_ISCHR(stat_buffer.st_mode));
}

Test(file, a_place_that_cannot_be_written_is_named)
{
    bertrun_error error;
    br_file_writer writer;
    cr_assert_eq(br_file_writer_open(&writer, "/nowhere/a", &error), BERTRUN_ERR_IO);
    cr_assert_str_eq(error.message, "/nowhere/a: cannot create: No such file or directory");
    cr_assert_eq(br_file_writer_open(&writer, f.directory, &error), BERTRUN_ERR_IO);
    cr_assert_not_null(strstr(error.message, "Is a directory"), "%s", error.message);
}
