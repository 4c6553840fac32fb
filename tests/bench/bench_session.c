/*
 * bench_session MODEL TEXTS: what one session does over time, as JSON on standard output.
 *
 *  new_length  one text at a time, lengths 8 to the model's positions in random order, from the
 * first after opening on: percentiles of time / median time of that length
 *  idle_cpu_ms CPU time that two threads use in the 200 ms after a call, the most of 20 times
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <bertrun/bertrun.h>

enum { SHORTEST = 8, MAX_LENGTH = 512, IDLE_MS = 200, IDLE_CALLS = 20 };

typedef struct sample {
    size_t length;
    double seconds, ratio;
} sample;

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_length(const void *a, const void *b)
{
    const sample *x = a, *y = b;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return x->seconds < y->seconds ? -1 : x->seconds > y->seconds;
}

static int by_ratio(const void *a, const void *b)
{
    const sample *x = a, *y = b;
    return x->ratio < y->ratio ? -1 : x->ratio > y->ratio;
}

static bertrun_session *open_session(const bertrun_model *model, int threads)
{
    bertrun_session_settings settings;
    bertrun_session_settings_init(&settings);
    settings.threads = threads;
    settings.max_length = bertrun_model_get_info(model)->max_position_embeddings;
    bertrun_session *session = NULL;
    bertrun_error error;
    if (bertrun_session_open(&session, model, &settings, &error)) {
        fprintf(stderr, "bench_session: %s\n", error.message);
        exit(1);
    }
    return session;
}

static double embed(bertrun_session *session, const int32_t *ids, size_t length)
{
    bertrun_input input = {.ids = ids, .num_ids = length};
    bertrun_output output;
    bertrun_error error;
    double start = now(CLOCK_MONOTONIC);
    if (bertrun_embed(session, &input, 1, NULL, &output, &error)) {
        fprintf(stderr, "bench_session: %s\n", error.message);
        exit(1);
    }
    return now(CLOCK_MONOTONIC) - start;
}

/* time / median time of its length, for each sample */
static void take_ratios(sample *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, by_length);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && samples[end].length == samples[first].length;)
            end++;
        double median =
            (samples[(first + end - 1) / 2].seconds + samples[(first + end) / 2].seconds) / 2;
        for (size_t i = first; i < end; i++)
            samples[i].ratio = samples[i].seconds / median;
    }
    qsort(samples, count, sizeof *samples, by_ratio);
}

static void bench_new_lengths(const bertrun_model *model, const int32_t *ids, size_t longest,
                              size_t count)
{
    bertrun_session *session = open_session(model, 1);
    sample *samples = calloc(count, sizeof *samples);
    if (!samples)
        exit(1);
    for (size_t i = 0; i < count; i++) {
        samples[i].length = SHORTEST + (size_t)rand() % (longest - SHORTEST + 1);
        samples[i].seconds = embed(session, ids, samples[i].length);
    }
    take_ratios(samples, count);
    printf("\"new_length\": {\"texts\": %zu, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": "
           "%.3f}",
           count, samples[count / 2].ratio, samples[count * 9 / 10].ratio,
           samples[count * 99 / 100].ratio, samples[count - 1].ratio);
    free(samples);
    bertrun_session_close(&session);
}

/*
 * CPU time of all threads. The process's own clock does not do: of threads that run on other CPUs
 * it has what they had used at the last tick, up to 4 ms ago. The clock of a thread, by its id, is
 * exact.
 */
static double cpu_time(void)
{
    double sum = 0;
    DIR *threads = opendir("/proc/self/task");
    if (!threads)
        exit(1);
    for (struct dirent *entry; (entry = readdir(threads));)
        if (entry->d_name[0] != '.')
            sum += now((clockid_t)(~(unsigned)strtoul(entry->d_name, NULL, 10) << 3 | 6));
    closedir(threads);
    return sum;
}

static void bench_idle(const bertrun_model *model, const int32_t *ids, size_t longest)
{
    double most = 0;
    bertrun_session *session = open_session(model, 2);
    for (int call = 0; call < IDLE_CALLS; call++) {
        embed(session, ids, longest);
        double start = cpu_time();
        nanosleep(&(struct timespec){.tv_nsec = IDLE_MS * 1000000L}, NULL);
        double used = cpu_time() - start;
        most = used > most ? used : most;
    }
    printf("\"idle_cpu_ms\": %.3f", 1e3 * most);
    bertrun_session_close(&session);
}

int main(int argc, char **argv)
{
    long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (count < 1) {
        fprintf(stderr, "usage: bench_session MODEL TEXTS\n");
        return 2;
    }
    bertrun_model *model = NULL;
    bertrun_error error;
    if (bertrun_model_open(&model, argv[1], NULL, &error)) {
        fprintf(stderr, "bench_session: %s\n", error.message);
        return 1;
    }
    const bertrun_model_info *info = bertrun_model_get_info(model);
    size_t positions = info->max_position_embeddings;
    size_t longest = positions < MAX_LENGTH ? positions : MAX_LENGTH;
    int32_t ids[MAX_LENGTH];
    for (size_t i = 0; i < longest; i++)
        ids[i] = (int32_t)((size_t)rand() % info->vocab_size);
    printf("{");
    bench_new_lengths(model, ids, longest, (size_t)count);
    printf(", ");
    bench_idle(model, ids, longest);
    printf("}\n");
    bertrun_model_close(&model);
}
