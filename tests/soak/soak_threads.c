/*
 * soak_threads MODEL ROUNDS: 8 threads, each with 8 sessions on one model, all at once; beside them
 * a thread opens and closes models of its own. For ThreadSanitizer (Criterion aborts under it), and
 * for whoever doubts that sessions are independent. Exit code 1: an embedding has other bits.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "soak_inputs.h"

enum { THREADS = 8, SESSIONS = 8, BATCH = 5 };

static const char USAGE[] = "soak_threads MODEL ROUNDS";

typedef struct soak {
    const char *path;
    bertrun_model *model;
    soak_inputs inputs;
    size_t rounds;
    atomic_size_t wrong;
    atomic_bool done;
} soak;

static void *use_sessions(void *argument)
{
    soak *s = argument;
    bertrun_session *sessions[SESSIONS];
    uint64_t state = (uint64_t)(uintptr_t)&sessions;
    for (int i = 0; i < SESSIONS; i++)
        sessions[i] = soak_session(s->model, 1 + i % 2);
    for (size_t round = 0; round < s->rounds; round++)
        for (int i = 0; i < SESSIONS; i++) {
            size_t picked[BATCH];
            for (size_t k = 0; k < BATCH; k++)
                picked[k] = soak_random(&state) % s->inputs.count;
            s->wrong += soak_check(&s->inputs, sessions[i], picked, BATCH);
        }
    for (int i = 0; i < SESSIONS; i++)
        bertrun_session_close(&sessions[i]);
    return NULL;
}

static void *open_and_close(void *argument)
{
    soak *s = argument;
    while (!s->done) {
        bertrun_model *model = soak_model(s->path);
        bertrun_session *session = soak_session(model, 2);
        s->wrong += soak_check(&s->inputs, session, &(size_t){0}, 1);
        bertrun_session_close(&session);
        bertrun_model_close(&model);
    }
    return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), soak *s)
{
    if (pthread_create(thread, NULL, run, s) != 0) {
        fprintf(stderr, "cannot start a thread\n");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    soak s = {.rounds = soak_number(argc, argv, 2, USAGE)};
    pthread_t threads[THREADS], loader;
    s.path = argv[1];
    s.model = soak_model(s.path);
    s.inputs = soak_inputs_make(s.model, 64, 32);
    for (int i = 0; i < THREADS; i++)
        start(&threads[i], use_sessions, &s);
    start(&loader, open_and_close, &s);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    s.done = true;
    pthread_join(loader, NULL);
    printf("%d threads of %d sessions, %zu rounds, %zu embeddings differ\n", THREADS, SESSIONS,
           s.rounds, (size_t)s.wrong);
    soak_inputs_free(&s.inputs);
    bertrun_model_close(&s.model);
    return s.wrong > 0;
}
