#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/table_file.h"

static char path[] = "/tmp/test_table_fileXXXXXX";

static void write_file(const char *bytes, size_t length)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && close(fd) == 0);
}

static void remove_file(void)
{
    unlink(path);
}

static table_file open_table(const char *bytes, const table_options *options)
{
    table_file table;
    write_file(bytes, strlen(bytes));
    cr_assert_eq(table_file_open(&table, path, options), CLI_OK);
    return table;
}

/* The next row is these cells, joined by '|'; NULL: the end. */
static void check_row(table_file *table, const char *expected)
{
    const table_cell *cells;
    char joined[256] = "";
    cr_assert(table_file_read(table, &cells));
    cr_assert_eq(cells != NULL, expected != NULL);
    for (size_t i = 0; cells && i < table->num_columns; i++) {
        strcat(strcat(joined, i ? "|" : ""), cells[i].text);
        cr_assert_eq(cells[i].length, strlen(cells[i].text));
    }
    cr_assert_str_eq(joined, expected ? expected : "");
}

static void check_message(const char *expected)
{
    char text[512] = "";
    FILE *messages = cr_get_redirected_stderr();
    size_t length = fread(text, 1, sizeof text - 1, messages);
    text[length] = '\0';
    cr_assert(strstr(text, expected), "'%s' is not in '%s'", expected, text);
}

static void check_refused(const char *bytes, const table_options *options, cli_exit code,
                          const char *message)
{
    table_file table;
    cr_redirect_stderr();
    write_file(bytes, strlen(bytes));
    cr_assert_eq(table_file_open(&table, path, options), code);
    table_file_close(&table);
    check_message(message);
}

TestSuite(table_file, .fini = remove_file);

Test(table_file, finds_columns_by_name_in_the_order_asked_for)
{
    table_file table = open_table("id\tscore\ttext\r\n1\t2.5\t\"a b\"\r\n2\t\t\n",
                                  &(table_options){.columns = "text,score", .header = true});
    check_row(&table, "\"a b\"|2.5");
    check_row(&table, "|");
    check_row(&table, NULL);
    table_file_close(&table);
}

Test(table_file, finds_columns_by_number_and_the_same_twice)
{
    table_file table = open_table("a\tb\tc\nd\te", &(table_options){.columns = "2,1,2"});
    check_row(&table, "b|a|b");
    check_row(&table, "e|d|e");
    check_row(&table, NULL);
    table_file_close(&table);
}

Test(table_file, prefers_a_name_to_a_number)
{
    table_file table =
        open_table("2\t1\na\tb\n", &(table_options){.columns = "1,3", .header = true});
    cr_assert_eq(table.columns[0], 1);
    cr_assert_eq(table.columns[1], 2);
    table_file_close(&table);
}

Test(table_file, reads_only_lines_asked_for)
{
    table_file table =
        open_table("split\tx\ntrain\t1\ntest\t2\ntes\t3\ntest2\t4\ntest\t5\n",
                   &(table_options){.columns = "x", .where = "split=test", .header = true});
    check_row(&table, "2");
    check_row(&table, "5");
    check_row(&table, NULL);
    table_file_close(&table);
}

Test(table_file, keeps_any_bytes)
{
    table_file table;
    const table_cell *cells;
    const char bytes[] = "a\0b\t\xff\xfe\r\r\n";
    write_file(bytes, sizeof bytes - 1);
    cr_assert_eq(table_file_open(&table, path, &(table_options){.columns = "1,2"}), CLI_OK);
    cr_assert(table_file_read(&table, &cells));
    cr_assert_eq(cells[0].length, 3);
    cr_assert_arr_eq(cells[0].text, "a\0b", 4);
    cr_assert_eq(cells[1].length, 3);
    cr_assert_arr_eq(cells[1].text, "\xff\xfe\r", 4);
    table_file_close(&table);
}

Test(table_file, takes_no_byte_order_mark_for_text)
{
    table_file table = open_table("\xEF\xBB\xBFtext\tb\n\xEF\xBB\xBF\tc\n",
                                  &(table_options){.columns = "text,b", .header = true});
    check_row(&table, "\xEF\xBB\xBF|c"); /* it is one in front of the file only */
    check_row(&table, NULL);
    table_file_close(&table);
}

Test(table_file, is_empty_where_there_is_only_a_byte_order_mark)
{
    table_file table = open_table("\xEF\xBB\xBF", &(table_options){.columns = "1"});
    check_row(&table, NULL);
    table_file_close(&table);
}

Test(table_file, adds_a_column_whose_name_has_a_comma)
{
    table_file table = open_table("a\ta,b\nx\ty\n", &(table_options){.header = true});
    cr_assert_eq(table_file_add_column(&table, "--text-field", "a,b", 3), CLI_OK);
    check_row(&table, "y");
    table_file_close(&table);
}

Test(table_file, names_file_and_line_of_too_few_columns)
{
    cr_redirect_stderr();
    table_file table = open_table("a\tb\na\n", &(table_options){.columns = "2"});
    const table_cell *cells;
    check_row(&table, "b");
    cr_assert_not(table_file_read(&table, &cells));
    table_file_close(&table);
    check_message("line 2: has 1 columns, but column 2 is asked for");
}

Test(table_file, names_a_missing_column_and_those_there_are)
{
    check_refused("text\tlabel\n", &(table_options){.columns = "text,lable", .header = true},
                  CLI_FAILED, "line 1: no column is named 'lable', there are 2: text\tlabel");
}

Test(table_file, needs_a_header_for_names)
{
    check_refused("a\tb\n", &(table_options){.columns = "text"}, CLI_USAGE,
                  "--columns: 'text' is no number from 1; names need");
}

Test(table_file, counts_columns_from_1)
{
    check_refused("a\tb\n", &(table_options){.columns = "1,0"}, CLI_USAGE, "--columns: '0'");
}

Test(table_file, refuses_an_empty_name)
{
    check_refused("a\tb\n", &(table_options){.columns = "1,"}, CLI_USAGE, "--columns: ''");
}

Test(table_file, refuses_a_filter_without_value)
{
    check_refused("a\tb\n", &(table_options){.columns = "1", .where = "2"}, CLI_USAGE,
                  "--where: '2' is not COLUMN=VALUE");
}

Test(table_file, tells_an_empty_and_a_missing_file)
{
    check_refused("", &(table_options){.columns = "text", .header = true}, CLI_FAILED,
                  "empty, there is no header");
    table_file table;
    cr_assert_eq(table_file_open(&table, "missing.tsv", &(table_options){.columns = "1"}),
                 CLI_FAILED);
    table_file_close(&table);
}
