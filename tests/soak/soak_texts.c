/*
 * soak_texts MODEL TEXTS: that many texts of 3 to 64 tokens, 18 on average (a sentence has about
 * 15), through one session of as many threads as there are CPUs to run on, in batches of random
 * size. Every embedding must have the bits that its text gets alone, and after a tenth of the texts
 * the process's memory must not grow by more than 1 MB. Exit code 1: it does not hold. Each tenth
 * is told on standard error.
 */
#include <stdio.h>
#include <stdlib.h>

#include "soak_inputs.h"

enum { DIFFERENT = 2048, MAX_LENGTH = 64, MAX_BATCH = 64, MB = 1 << 20 };

static const char USAGE[] = "soak_texts MODEL TEXTS";

int main(int argc, char **argv)
{
    size_t texts = soak_number(argc, argv, 2, USAGE);
    bertrun_model *model = soak_model(argv[1]);
    soak_inputs inputs = soak_inputs_make(model, DIFFERENT, MAX_LENGTH);
    bertrun_session *session = soak_session(model, 0);
    uint64_t state = 1;
    size_t done = 0, wrong = 0, warm = 0, most = 0;
    while (done < texts) {
        size_t picked[MAX_BATCH], n = 1 + soak_random(&state) % MAX_BATCH;
        for (size_t i = 0; i < n; i++)
            picked[i] = soak_random(&state) % inputs.count;
        wrong += soak_check(&inputs, session, picked, n);
        size_t tenths = done * 10 / texts, resident = soak_resident();
        done += n;
        if (tenths == 0)
            warm = resident;
        most = resident > most ? resident : most;
        if (done * 10 / texts > tenths)
            fprintf(stderr, "%zu texts, %zu embeddings differ, %.2f MB resident\n", done, wrong,
                    (double)resident / MB);
    }
    size_t grown = most > warm ? most - warm : 0;
    printf("%zu texts, %zu embeddings differ, %.1f MB resident, at most %.2f MB more\n", done,
           wrong, (double)warm / MB, (double)grown / MB);
    bertrun_session_close(&session);
    soak_inputs_free(&inputs);
    bertrun_model_close(&model);
    return wrong > 0 || grown > MB;
}
