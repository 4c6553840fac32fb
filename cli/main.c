/* The bertrun program: hands its arguments to one of the commands. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bertrun/bertrun.h"
#include "cli/cli.h"

static const struct {
    const char *name;
    cli_exit (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", cli_run, "embed, classify, find entities, answer, fill masks (the default command)"},
    {"rerank", cli_rerank, "sort documents by how well they fit a query"},
    {"convert", cli_convert, "make one quantized file of a Hugging Face directory"},
    {"calibrate", cli_calibrate, "make an int8 file with fixed activation scales"},
    {"info", cli_info, "print what a model is"},
    {"lm", cli_lm, "perplexity of an LSTM language model, or words that it makes up"},
    {"tokenize", cli_tokenize, "turn texts into token ids, or back"},
    {"bench", cli_bench, "measure speed"},
    {"compare", cli_compare, "put models side by side over a labelled file"},
};
enum { NUM_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_overview(FILE *stream)
{
    fputs("usage: bertrun --model MODEL [OPTION...] [TEXT...]\n"
          "       bertrun COMMAND [ARGUMENT...]\n\n"
          "Runs BERT and DistilBERT models on the CPU, in int8 where the model is stored so.\n\n",
          stream);
    for (size_t i = 0; i < NUM_COMMANDS; i++)
        fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'bertrun COMMAND --help' tells more.\n"
          "\n"
          "Exit codes: 0 fine; 1 a file, a model or the output failed; 2 a wrong command line.\n",
          stream);
}

static cli_exit dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return CLI_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_overview(stdout);
        return CLI_OK;
    }
    if (strcmp(word, "--version") == 0) {
        printf("bertrun %s\n", bertrun_version());
        return CLI_OK;
    }
    if (word[0] == '-')
        return cli_run(argc, argv);
    for (size_t i = 0; i < NUM_COMMANDS; i++)
        if (strcmp(word, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return cli_usage("%s: unknown command, see bertrun --help", word);
}

/*
 * A standard stream that is closed would be the next file opened, and messages would be written
 * into it. What is put in its place refuses to be used just the same.
 */
static void guard_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    guard_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe shows as a write error */
    return (int)cli_close_stdout(dispatch(argc, argv));
}
