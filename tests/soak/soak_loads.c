/*
 * soak_loads MODEL CYCLES: opens the model and a session, embeds a text, closes both, that many
 * times. After a tenth of the cycles the process's memory must not grow by more than 1 MB. Exit
 * code 1: it does. Each tenth is told on standard error.
 */
#include <stdio.h>

#include "soak_inputs.h"

enum { MB = 1 << 20 };

static const char USAGE[] = "soak_loads MODEL CYCLES";

int main(int argc, char **argv)
{
    size_t cycles = soak_number(argc, argv, 2, USAGE), warm = 0, most = 0, wrong = 0;
    bertrun_model *first = soak_model(argv[1]);
    soak_inputs inputs = soak_inputs_make(first, 4, 16);
    bertrun_model_close(&first);
    for (size_t i = 0; i < cycles; i++) {
        bertrun_model *model = soak_model(argv[1]);
        bertrun_session *session = soak_session(model, 1 + (int)(i % 2));
        wrong += soak_check(&inputs, session, &(size_t){i % inputs.count}, 1);
        bertrun_session_close(&session);
        bertrun_model_close(&model);
        size_t resident = soak_resident();
        if (i <= cycles / 10)
            warm = resident > warm ? resident : warm;
        most = resident > most ? resident : most;
        if ((i + 1) * 10 / cycles > i * 10 / cycles)
            fprintf(stderr, "%zu cycles, %zu embeddings differ, %.2f MB resident\n", i + 1, wrong,
                    (double)resident / MB);
    }
    printf("%zu cycles, %zu embeddings differ, %.1f MB resident, at most %.2f MB more\n", cycles,
           wrong, (double)warm / MB, (double)(most - warm) / MB);
    soak_inputs_free(&inputs);
    return wrong > 0 || most - warm > MB;
}
