/*
 * The LSTM word language model in memory, and the state and scratch of one that runs it.
 * docs/LSTM.md has the mathematics.
 */
#ifndef BR_LSTM_H
#define BR_LSTM_H

#include "engine/dense.h"
#include "tokenizer/words.h"

/** A layer's gates i, f, g, o, as br_ops.lstm_cell wants them, from both of its inputs. */
typedef struct br_lstm_layer {
    br_linear input;  /* the layer below, all time steps at once; with both biases */
    br_linear hidden; /* the layer's own last output */
} br_lstm_layer;

/** Immutable. */
struct bertrun_lm {
    bertrun_model base; /* files, precision, kernels; it has no encoder */
    bertrun_lm_info info;
    br_words words;
    const br_tensor *embedding;       /* [vocab_size, embedding_size], in the checkpoint */
    const br_tensor *embedding_scale; /* [vocab_size] for s8, else NULL */
    br_lstm_layer *layers;            /* [num_layers] */
    br_linear decoder;                /* [hidden_size] -> [vocab_size] */
};

/** C columns are read side by side; row t * C + c is column c at time t. Padding stays zero. */
struct bertrun_lm_session {
    const bertrun_lm *lm;
    size_t columns;     /* C */
    size_t chunk_steps; /* time steps that pass through all layers together */
    int threads;
    br_workspace work;
    size_t stride;        /* of a hidden row: hidden_size rounded up */
    float *state;         /* [num_layers, C, stride] each layer's last output */
    float *cell;          /* [num_layers, C, hidden_size] */
    float *embedded;      /* [chunk rows, layers[0].input.k] */
    float *rows[2];       /* [chunk rows, stride] a layer's output; the last one's is rows[0] */
    void *sums;           /* [chunk rows rounded up to a group, layers[..].input.n] of the input's
                           * projection, s32 or f32 */
    br_quantized *inputs; /* [chunk rows] how its rows were quantized */
    br_range *ranges;    /* [C + chunk rows] of a layer's last outputs before, and of its outputs */
    float *chunk_logits; /* [chunk rows, vocab_size] of words that are only scored, or NULL */
    br_buffer logits;    /* [steps, C, vocab_size] */
    br_buffer log_probs; /* [steps, C] */
};

/** Reads steps <= chunk_steps words a column, ids [steps, C]: outputs to session->rows[0]. */
bertrun_status br_lstm_run(bertrun_lm_session *session, const int32_t *ids, size_t steps,
                           bertrun_error *error);

#endif
