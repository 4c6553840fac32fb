/* What the golden tests share: where fixtures are, opening models, comparing rows, ranks. */
#ifndef FIXTURES_H
#define FIXTURES_H

#include "bertrun/bertrun.h"

/** The value of a variable that tests/meson.build sets; the running test fails without it. */
const char *fixture_environment(const char *variable);

/** Path of a file below $BERTRUN_SHARED, in static memory; skips the test, by name, without it. */
const char *fixture_shared(const char *relative);

/** The all-MiniLM-L6-v2 directory, $BERTRUN_MINILM; skips the test, by name, without it. */
const char *fixture_minilm(void);

/** A whole file as NUL-terminated text; free() it. */
char *fixture_read(const char *path);

/** Texts with an expected answer each, from a table of shared data. */
typedef struct labelled_texts {
    size_t count;
    bertrun_input *inputs; /* [count] */
    const char **labels;   /* [count] */
    char *memory;
} labelled_texts;

/** Reads `text<TAB>label` lines under a header line from $BERTRUN_SHARED. */
labelled_texts fixture_labelled(const char *relative);
void labelled_texts_free(labelled_texts *texts);

/** Opens a model; the running test fails where that fails. */
bertrun_model *fixture_model(const char *path, bertrun_precision precision,
                             bertrun_activations activations);

/** Opens a session with `threads`, and batch_tokens where not 0. */
bertrun_session *fixture_session(const bertrun_model *model, int threads, size_t batch_tokens);

/** Cosine of the angle between a and b, [n] each. */
double fixture_cosine(const float *a, const float *b, size_t n);

#endif
