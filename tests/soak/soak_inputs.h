/* Seeded inputs of random length, hashes of results, and the process's memory, for the long runs.
 */
#ifndef SOAK_INPUTS_H
#define SOAK_INPUTS_H

#include <bertrun/bertrun.h>

typedef struct soak_inputs {
    size_t count;
    bertrun_input *inputs; /* [count], of ids */
    int32_t *ids;
    uint64_t *hashes; /* [count] of each input's embedding, computed alone */
} soak_inputs;

/** xorshift64*, Vigna 2014. The state is not 0. */
uint64_t soak_random(uint64_t *state);

/** Inputs of 3 to max_length tokens, or what the model takes, short ones more often, and their
 * hashes. Exits on failure. */
soak_inputs soak_inputs_make(const bertrun_model *model, size_t count, size_t max_length);
void soak_inputs_free(soak_inputs *inputs);

/** FNV-1a of `width` floats' bytes. */
uint64_t soak_hash(const float *row, size_t width);

/** Embeds inputs[picked[i]] for i < n in one call; the number of rows whose hash differs. */
size_t soak_check(const soak_inputs *inputs, bertrun_session *session, const size_t *picked,
                  size_t n);

bertrun_model *soak_model(const char *path);
bertrun_session *soak_session(const bertrun_model *model, int threads);

/** Resident bytes of this process that it wrote. Pages of files, such as the code of oneDNN, come
 * and go as the kernel likes. */
size_t soak_resident(void);

/** The argument as a number of at least 1; exits with the usage otherwise. */
size_t soak_number(int argc, char **argv, int index, const char *usage);

#endif
