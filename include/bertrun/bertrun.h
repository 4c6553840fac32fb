/*
 * bertrun: BERT-family models on ordinary CPUs, with dynamic int8 quantization.
 *
 * The way of use:
 *
 *     bertrun_model   immutable weights, shared by any number of threads
 *     bertrun_session scratch memory and worker threads, one caller at a time
 *     bertrun_embed() and its siblings: texts in, rows out
 *
 * Conventions that hold for every function here:
 *  - A fallible function returns a bertrun_status; its `error` argument may be NULL, else it
 *    receives one line that names the file, the tensor or the setting at fault.
 *  - Inputs are borrowed for the call. Results belong to the object that made them and are valid
 *    until its next call or its close.
 *  - `*_open` stores a handle only on success (else NULL); `*_close` takes the handle's address,
 *    sets it to NULL and accepts NULL.
 *  - Settings structs are filled with defaults by their `*_init`; `reserved` fields stay zero,
 *    else the call that takes the struct fails with ARGUMENT. In result structs they are 0.
 *  - Nothing is printed, no signal is raised, the process never exits, there is no global state.
 *  - Threads that are started here take none of the process's signals. They do not outlive fork():
 *    a child may go on with its parent's models and tokenizers, but opens sessions of its own.
 *  - The locale changes no result. Paths and texts are bytes, names that are given out are UTF-8.
 *
 * Arrays are dense and row-major; shapes are written [rows, columns].
 */
#ifndef BERTRUN_H
#define BERTRUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BERTRUN_API __attribute__((visibility("default")))
#else
#define BERTRUN_API
#endif

/** Version of this header. */
#define BERTRUN_VERSION "0.1.0"

/** Version of the library that is loaded, as "MAJOR.MINOR.PATCH"; a static string. Thread-safe. */
BERTRUN_API const char *bertrun_version(void);

/* ------------------------------------------------------------------------------------ errors */

typedef enum bertrun_status {
    BERTRUN_OK = 0,
    BERTRUN_ERR_ARGUMENT = -1,    /**< an argument or setting is out of range */
    BERTRUN_ERR_NOMEM = -2,       /**< memory could not be had; the object stays usable */
    BERTRUN_ERR_IO = -3,          /**< a file cannot be opened, read or written */
    BERTRUN_ERR_FORMAT = -4,      /**< a file is not what it should be */
    BERTRUN_ERR_UNSUPPORTED = -5, /**< well-formed, but not something this model or build does */
    BERTRUN_ERR_INTERNAL = -6,    /**< oneDNN or the system refused something that should work */
} bertrun_status;

/** One line of text about a failure; owned by the caller, always NUL-terminated after a failure. */
typedef struct bertrun_error {
    char message[512];
    size_t input; /**< index of the input at fault; SIZE_MAX: it is not about one of several */
} bertrun_error;

/** The status as a short static English phrase, e.g. "out of memory". Thread-safe. */
BERTRUN_API const char *bertrun_status_string(bertrun_status status);

/** Receives one line of diagnostics (no newline); may be called from any thread that calls us. */
typedef void (*bertrun_log_fn)(void *data, const char *message);

/* ------------------------------------------------------------------------------------- model */

typedef struct bertrun_model bertrun_model;

/** What the linear projections compute in. */
typedef enum bertrun_precision {
    BERTRUN_PRECISION_AUTO = 0, /**< each layer as it is stored: int8 for int8 weights, bf16 for
                                     BF16 ones, else f32 */
    BERTRUN_PRECISION_INT8,     /**< s8 weights, activations quantized to u8 at run time */
    BERTRUN_PRECISION_BF16,     /**< bf16 weights, and activations where the CPU multiplies bf16
                                     faster than f32; f32 sums */
    BERTRUN_PRECISION_F32,
} bertrun_precision;

/** How int8 activations get their scale and zero point. */
typedef enum bertrun_activations {
    BERTRUN_ACTIVATIONS_AUTO = 0, /**< STATIC for a file that fixes them, else TOKEN */
    BERTRUN_ACTIVATIONS_TOKEN,    /**< one pair a token row: a text never depends on its batch */
    BERTRUN_ACTIVATIONS_TOKEN_SYMMETRIC, /**< the same, scale = max |row| / 127 and no zero point */
    BERTRUN_ACTIVATIONS_BATCH,           /**< one pair for all rows of a forward pass */
    BERTRUN_ACTIVATIONS_BATCH_SYMMETRIC, /**< the same, no zero point */
    BERTRUN_ACTIVATIONS_PYTORCH, /**< as BATCH, but what PyTorch's quantize_dynamic(model,
                                      {nn.Linear}, qint8) computes on x86: 7 bits, an integer zero
                                      point; needs weights PER_TENSOR */
    BERTRUN_ACTIVATIONS_STATIC,  /**< fixed ones from the file, TOKEN where it fixes none for a
                                      layer; no text depends on its batch */
} bertrun_activations;

/** How int8 weights of linear layers are scaled. */
typedef enum bertrun_weights {
    BERTRUN_WEIGHTS_AUTO = 0,    /**< as they are stored; stored as floats: PER_TENSOR with
                                      ACTIVATIONS_PYTORCH, else PER_CHANNEL */
    BERTRUN_WEIGHTS_PER_CHANNEL, /**< a scale for each output channel, max |w| / 127 */
    BERTRUN_WEIGHTS_PER_TENSOR,  /**< one scale a layer, max |w| / 127.5, as in PyTorch */
} bertrun_weights;

/**
 * Whose matrix multiplication runs. Layers in int8 give the same bits either way, those in bf16 (all,
 * or kept so) need not; f32 is always our own.
 */
typedef enum bertrun_kernels {
    BERTRUN_KERNELS_AUTO = 0, /**< our own, or oneDNN where that is faster: AMX, or bf16 on a CPU that
                                   multiplies it faster than f32 */
    BERTRUN_KERNELS_ONEDNN,   /**< oneDNN for every projection in int8, which needs a CPU with VNNI,
                                   and in bf16 on a CPU that has AVX512_BF16 */
} bertrun_kernels;

/** How token rows become one sentence row. */
typedef enum bertrun_pooling {
    BERTRUN_POOLING_AUTO = 0, /**< what the model's own files say; without them, mean */
    BERTRUN_POOLING_MEAN,     /**< mean over all tokens, special ones included */
    BERTRUN_POOLING_CLS,      /**< the first token's row */
    BERTRUN_POOLING_MAX,      /**< maximum over all tokens, a feature at a time */
    BERTRUN_POOLING_POOLER,   /**< tanh(dense(first row)), BERT's own pooler */
    BERTRUN_POOLING_WEIGHTED_MEAN, /**< mean over all tokens, the first weighing 1, the next 2, ... */
    BERTRUN_POOLING_LAST_TOKEN,    /**< the last token's row, mostly [SEP]'s */
} bertrun_pooling;

/** A yes, a no, or what the model's own files say. */
typedef enum bertrun_choice {
    BERTRUN_CHOICE_AUTO = 0,
    BERTRUN_CHOICE_NO,
    BERTRUN_CHOICE_YES,
} bertrun_choice;

/** What a model's head is for. Embeddings and hidden states can be had from every model. */
typedef enum bertrun_task {
    BERTRUN_TASK_EMBED = 1,
    BERTRUN_TASK_CLASSIFY,  /**< a text or a pair: classification, regression, relevance */
    BERTRUN_TASK_NER,       /**< each token: named entities */
    BERTRUN_TASK_ANSWER,    /**< a question and a context: where the answer stands */
    BERTRUN_TASK_FILL_MASK, /**< each [MASK]: the tokens that fit */
} bertrun_task;

/** How a classifier's logits become scores. */
typedef enum bertrun_scores {
    BERTRUN_SCORES_SOFTMAX = 0, /**< over the labels: one of them holds */
    BERTRUN_SCORES_SIGMOID,     /**< each label for itself, or one label */
    BERTRUN_SCORES_IDENTITY,    /**< the logits themselves: regression */
} bertrun_scores;

typedef struct bertrun_model_settings {
    bertrun_precision precision;     /**< default AUTO */
    bertrun_activations activations; /**< default AUTO; used by int8 only */
    bertrun_weights weights;         /**< default AUTO; used by int8 only. Opening fails with
                                          UNSUPPORTED where int8 weights are stored otherwise */
    bertrun_kernels kernels;         /**< default AUTO */
    bool mmap;                       /**< default false: the file is read into private memory. true:
                                          mapped and shared between processes, and the caller promises
                                          that it does not change while the model is open */
    bertrun_log_fn log;              /**< default NULL: silent */
    void *log_data;
    uint64_t reserved[7];
} bertrun_model_settings;

/** A text that goes in front of every input of a kind, e.g. "query" and "query: ". */
typedef struct bertrun_prompt {
    const char *name, *text;
} bertrun_prompt;

/** A linear layer that computes in another precision than most. */
typedef struct bertrun_kept_layer {
    const char *name; /**< as in docs/FORMAT.md, less ".weight" */
    bertrun_precision precision;
} bertrun_kept_layer;

/** Facts about an open model. Strings and arrays belong to the model. */
typedef struct bertrun_model_info {
    const char *architecture; /**< as in config.json, e.g. "DistilBertForSequenceClassification" */
    const char *stored_dtype; /**< "int8", "f16", "bf16" or "f32": how the file holds the weights */
    bertrun_task task;        /**< what the model's head is for */
    bertrun_precision precision; /**< never AUTO; of a mixed model INT8 */
    size_t num_kept;
    const bertrun_kept_layer *kept;  /**< [num_kept] layers of a mixed model in another precision */
    bertrun_activations activations; /**< never AUTO */
    bertrun_weights weights;         /**< never AUTO: of the first layer; used by int8 only */
    bertrun_pooling pooling;  /**< default pooling, never AUTO */
    bool normalize;           /**< whether embeddings are L2-normalized by default */
    bool has_pooler;          /**< whether BERTRUN_POOLING_POOLER works */
    bertrun_scores scores;    /**< of bertrun_classify() */
    size_t vocab_size, hidden_size, intermediate_size;
    size_t num_hidden_layers, num_attention_heads;
    size_t max_position_embeddings, type_vocab_size;
    size_t max_length;        /**< default maximum of tokens a text, special ones included */
    size_t embedding_size;    /**< columns of an embedding (after 2_Dense, where the model has one) */
    size_t num_labels;        /**< 0 without a classifier */
    const char *const *labels; /**< [num_labels] */
    size_t num_prompts;
    const bertrun_prompt *prompts;   /**< [num_prompts] of config_sentence_transformers.json */
    const char *default_prompt_name; /**< of the prompt used where none is chosen; NULL: none */
    bool include_prompt;             /**< whether a prompt's own tokens are pooled */
    size_t num_parameters;
    uint64_t file_bytes;      /**< size on disk of the weights */
    uint64_t weight_bytes;    /**< size in memory of weights as packed for this CPU */
} bertrun_model_info;

BERTRUN_API void bertrun_model_settings_init(bertrun_model_settings *settings);

/**
 * Opens a model: a `.bin` made by bertrun_convert(), or a Hugging Face directory. A language model
 * is UNSUPPORTED here: bertrun_lm_open() takes it.
 * @param[out] out      the model, or NULL on failure; close with bertrun_model_close()
 * @param path          UTF-8 path, borrowed
 * @param settings      NULL for defaults
 * @return BERTRUN_OK, or ARGUMENT, NOMEM, IO, FORMAT, UNSUPPORTED, INTERNAL (a few rows of the chosen
 *         kernels are checked against scalar ones: this CPU computes wrong results).
 * The environment's BERTRUN_ISA (scalar, avx2, avx2-vnni, avx512, avx512-vnni) chooses an instruction
 * set below the CPU's best. The model is immutable: any number of threads may share it.
 */
BERTRUN_API bertrun_status bertrun_model_open(bertrun_model **out, const char *path,
                                              const bertrun_model_settings *settings,
                                              bertrun_error *error);

/** Closes a model. Every session on it must have been closed before. */
BERTRUN_API void bertrun_model_close(bertrun_model **model);

/** Facts about the model; valid until it is closed. Thread-safe. */
BERTRUN_API const bertrun_model_info *bertrun_model_get_info(const bertrun_model *model);

/** Names of enum values as the command line spells them: "int8", "token", "mean"; static strings. */
BERTRUN_API const char *bertrun_precision_name(bertrun_precision precision);
BERTRUN_API const char *bertrun_activations_name(bertrun_activations activations);
BERTRUN_API const char *bertrun_weights_name(bertrun_weights weights);
BERTRUN_API const char *bertrun_pooling_name(bertrun_pooling pooling);
BERTRUN_API const char *bertrun_task_name(bertrun_task task);
BERTRUN_API const char *bertrun_scores_name(bertrun_scores scores);

/* ----------------------------------------------------------------------------------- session */

typedef struct bertrun_session bertrun_session;

/**
 * What becomes of a text of more tokens than max_length; HEAD, TAIL and HEAD_TAIL are named after
 * what is kept, as in Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?". Special
 * tokens are kept always. Of a pair, the longer text is cut first, each in the way named here.
 */
typedef enum bertrun_long_text {
    BERTRUN_LONG_TEXT_HEAD = 0,  /**< the beginning is kept */
    BERTRUN_LONG_TEXT_TAIL,      /**< the end is kept */
    BERTRUN_LONG_TEXT_HEAD_TAIL, /**< a quarter of the room goes to the beginning, the rest to the
                                      end: 128 and 382 of 510 tokens */
    BERTRUN_LONG_TEXT_ERROR,     /**< the call fails with ARGUMENT and names the input */
    BERTRUN_LONG_TEXT_STRIDE,    /**< nothing is cut: the text is run in windows of max_length, of
                                      which each overlaps the one before by `stride` tokens. Single
                                      texts only, for embeddings (the windows' embeddings, each
                                      weighted by its tokens, are averaged, then normalized), token
                                      logits and entities */
} bertrun_long_text;

typedef struct bertrun_session_settings {
    int threads;         /**< default 1; 0: as many as the affinity mask and the cgroup quota allow */
    size_t max_length;   /**< tokens a text, special ones included; default 0: the model's. Longer
                              texts are treated as long_text says; what is cut is counted */
    size_t batch_tokens; /**< default 0 (chosen by the library): token rows in one forward pass; more
                              input is run in several. Bounds the session's memory. At least one text
                              goes into each pass */
    bool profile;        /**< default false: collect bertrun_session_profile() */
    bertrun_long_text long_text; /**< default HEAD */
    size_t stride;       /**< default 0; tokens that windows share, with LONG_TEXT_STRIDE; less than
                              a window holds beside the special tokens */
    uint64_t reserved[7];
} bertrun_session_settings;

BERTRUN_API void bertrun_session_settings_init(bertrun_session_settings *settings);

/**
 * Opens a session on a model. It starts `threads - 1` workers, which sleep between calls.
 * @param settings NULL for defaults
 * @return BERTRUN_OK, or ARGUMENT (negative threads, a max_length above the model's positions or
 *         too small for the special tokens, a stride too large), NOMEM, INTERNAL.
 * A session serves one caller at a time; sessions on one model are independent.
 */
BERTRUN_API bertrun_status bertrun_session_open(bertrun_session **out, const bertrun_model *model,
                                                const bertrun_session_settings *settings,
                                                bertrun_error *error);
BERTRUN_API void bertrun_session_close(bertrun_session **session);

/** Threads the session really uses (what `threads = 0` came to). */
BERTRUN_API int bertrun_session_threads(const bertrun_session *session);

/**
 * One input: a text, a pair of texts, or ids.
 * Text is UTF-8; an invalid sequence becomes U+FFFD and is no error. NULs are allowed inside.
 */
typedef struct bertrun_input {
    const char *text; /**< [length] bytes; NULL only with length 0 or with ids */
    size_t length;
    const char *pair; /**< NULL: a single text; else the second segment, [pair_length] bytes */
    size_t pair_length;
    const int32_t *ids; /**< not NULL: already tokenized, special tokens included, taken as it is
                             (the texts above are then ignored), [num_ids], each < vocab_size */
    size_t num_ids;
    const uint8_t *type_ids; /**< [num_ids] with ids; NULL: all 0 */
} bertrun_input;

/** What became of one input. */
typedef struct bertrun_text_info {
    size_t tokens;    /**< tokens computed, special ones included; of all windows together */
    size_t truncated; /**< tokens cut away because the text was longer than max_length */
    size_t windows;   /**< 1, or more for a long text with LONG_TEXT_STRIDE */
} bertrun_text_info;

/** Result of a call: `count` rows. Everything it points to belongs to the session. */
typedef struct bertrun_output {
    size_t count;                   /**< number of inputs */
    size_t width;                   /**< columns of a row */
    const float *values;            /**< [count, width]: embeddings or logits; for hidden states
                                         [num_states, total tokens, width] */
    const float *scores;            /**< [count, width] softmax or sigmoid of logits; else NULL */
    const bertrun_text_info *texts; /**< [count] */
    size_t total_tokens;            /**< sum of texts[].tokens */
    size_t total_truncated;         /**< sum of texts[].truncated */
    size_t num_states;              /**< hidden states: how many layers were asked for; else 0 */
    const void *codes;              /**< embeddings in another dtype than F32: [count, code_bytes],
                                         int8_t, uint8_t or uint16_t (f16) elements; else NULL */
    size_t code_bytes;              /**< of a row of codes */
    uint64_t reserved[4];           /**< 0, for later versions */
} bertrun_output;

/**
 * What embeddings are stored as; integers as sentence-transformers' quantize_embeddings() makes
 * them. With lo and hi of a dimension and step = (hi - lo) / 255 (1 where that is 0), UINT8 is
 * floor((x - lo) / step) kept in 0..255, INT8 that less 128. A NaN becomes lo's code.
 */
typedef enum bertrun_embedding_dtype {
    BERTRUN_EMBEDDING_F32 = 0,
    BERTRUN_EMBEDDING_F16,     /**< IEEE binary16, rounded half to even */
    BERTRUN_EMBEDDING_INT8,    /**< needs `ranges` */
    BERTRUN_EMBEDDING_UINT8,   /**< needs `ranges` */
    BERTRUN_EMBEDDING_BINARY,  /**< UBINARY less 128, as int8_t */
    BERTRUN_EMBEDDING_UBINARY, /**< a bit a dimension, 1 where it is above 0; eight to a uint8_t, the
                                    first in the highest bit, the last byte filled with zeros */
} bertrun_embedding_dtype;

typedef struct bertrun_embed_options {
    bertrun_pooling pooling;  /**< default AUTO */
    bertrun_choice normalize; /**< default AUTO; L2 norm 1 where it is YES */
    const char *prompt;       /**< default NULL; text put in front of every text ("": none), not of
                                   inputs that are ids */
    const char *prompt_name;  /**< default NULL; the model's prompt of that name, where prompt is
                                   NULL. Both NULL: the model's default prompt, if it has one */
    size_t dimensions;        /**< default 0: all; else the first so many columns are kept, and then
                                   normalized (matryoshka, Kusupati et al. 2022) */
    bertrun_embedding_dtype dtype; /**< default F32; else output.codes is filled, too */
    const float *ranges;      /**< [2, dimensions]: the least and the greatest value of each
                                   dimension, for INT8 and UINT8; borrowed for the call */
    uint64_t reserved[3];
} bertrun_embed_options;

BERTRUN_API void bertrun_embed_options_init(bertrun_embed_options *options);

/**
 * Sentence embeddings, [count, embedding_size] or [count, dimensions].
 * @param inputs  [count], borrowed; an empty text is a text (its special tokens are computed)
 * @param options NULL for defaults
 * @return BERTRUN_OK, or ARGUMENT (an id or type id out of range, more ids than positions, a text too
 *         long with LONG_TEXT_ERROR, an unknown prompt_name, dimensions above embedding_size, ranges
 *         missing), UNSUPPORTED (pooler asked of a model without one, a pair too long with
 *         LONG_TEXT_STRIDE), NOMEM, INTERNAL. What is wrong with one input begins with
 *         "input INDEX: ", and error->input is the index. After a failure the session works on.
 * After the first calls have sized the scratch, a call of no more texts and tokens allocates none of
 * our memory. (oneDNN, where it multiplies, makes a primitive for each new length of a block of rows.)
 * After a failure *output is not to be read.
 */
BERTRUN_API bertrun_status bertrun_embed(bertrun_session *session, const bertrun_input *inputs,
                                         size_t count, const bertrun_embed_options *options,
                                         bertrun_output *output, bertrun_error *error);

/**
 * Classification: logits in `values`, probabilities in `scores`, both [count, num_labels].
 * Scores are as info->scores says: a softmax over the labels; sigmoids where problem_type is
 * "multi_label_classification" or there is only one label; the logits where it is "regression". A
 * cross-encoder of one label may name its own (sentence_transformers.activation_fn in config.json).
 * @return as bertrun_embed(); UNSUPPORTED where the model has no such head.
 */
BERTRUN_API bertrun_status bertrun_classify(bertrun_session *session, const bertrun_input *inputs,
                                            size_t count, bertrun_output *output,
                                            bertrun_error *error);

/**
 * The part of the text that a token comes from, half-open; 0,0 for special tokens. Offsets are those
 * of Hugging Face, in bytes of the text as it was given, and in its code points. A maximal ill-formed
 * sequence of bytes (what Python's errors="replace" turns into one U+FFFD) counts as one code point.
 */
typedef struct bertrun_span {
    size_t byte_begin, byte_end;
    size_t char_begin, char_end;
} bertrun_span;

/**
 * Token classification: logits in `values`, their softmax in `scores`, both [total_tokens,
 * num_labels]; token rows of all inputs stand one after another, special tokens included, and, with
 * LONG_TEXT_STRIDE, those of each window.
 * @return as bertrun_embed(); UNSUPPORTED where the model has no such head.
 */
BERTRUN_API bertrun_status bertrun_classify_tokens(bertrun_session *session,
                                                   const bertrun_input *inputs, size_t count,
                                                   bertrun_output *output, bertrun_error *error);

/** How tokens become entities, as in transformers' token classification pipeline. */
typedef enum bertrun_aggregation {
    BERTRUN_AGGREGATION_SIMPLE = 0, /**< neighbouring tokens of one tag make an entity; "B-" begins a
                                         new one */
    BERTRUN_AGGREGATION_NONE,       /**< each token by itself, its label with "B-" or "I-" */
    BERTRUN_AGGREGATION_FIRST,      /**< SIMPLE of words; a word's label is its first token's, */
    BERTRUN_AGGREGATION_AVERAGE,    /**< that of the highest mean score, */
    BERTRUN_AGGREGATION_MAX,        /**< that of its token with the highest score */
} bertrun_aggregation;

typedef struct bertrun_entity {
    const char *label; /**< the model's; without what stands up to the first "-", unless NONE */
    float score;       /**< mean over its tokens (or words) */
    bertrun_span span; /**< in the input's text */
} bertrun_entity;

/** Result of bertrun_find_entities(); everything it points to belongs to the session. */
typedef struct bertrun_entities {
    size_t count;                   /**< number of inputs */
    const size_t *offsets;          /**< [count + 1] first entity of each input, and their number */
    const bertrun_entity *entities; /**< [offsets[count]], in the order of the text */
    const bertrun_text_info *texts; /**< [count] */
    uint64_t reserved[4];           /**< 0, for later versions */
} bertrun_entities;

/**
 * Named entities: what is not labelled "O". With LONG_TEXT_STRIDE a long text is run in windows; of
 * entities that overlap the longer one stays, of equally long ones that of the higher score.
 * @param inputs [count] single texts
 * @return as bertrun_embed(); UNSUPPORTED where the model has no such head, or an input is a pair or
 *         ids; ARGUMENT where the aggregation is unknown. After warm-up a call allocates nothing.
 */
BERTRUN_API bertrun_status bertrun_find_entities(bertrun_session *session,
                                                 const bertrun_input *inputs, size_t count,
                                                 bertrun_aggregation aggregation,
                                                 bertrun_entities *output, bertrun_error *error);

typedef struct bertrun_answer_options {
    size_t top_k;             /**< answers a question at most; default 0: one */
    size_t max_answer_tokens; /**< default 0: 15 */
    size_t stride;            /**< tokens by which windows of a long context overlap; default 0: 128,
                                   at most half of max_length */
    bool no_answer;           /**< default false; true: that there is none is an answer, too */
    uint64_t reserved[4];
} bertrun_answer_options;

BERTRUN_API void bertrun_answer_options_init(bertrun_answer_options *options);

typedef struct bertrun_answer {
    float score;       /**< probability of its start times that of its end, of all windows and places
                            where the same text (whatever its case) is found together */
    bertrun_span span; /**< in the context, whole words; empty: there is no answer */
} bertrun_answer;

/** Result of bertrun_answer_questions(); everything it points to belongs to the session. */
typedef struct bertrun_answers {
    size_t count;                   /**< number of inputs */
    const size_t *offsets;          /**< [count + 1] first answer of each input, and their number */
    const bertrun_answer *answers;  /**< [offsets[count]], of each input the best first */
    const bertrun_text_info *texts; /**< [count] */
    uint64_t reserved[4];           /**< 0, for later versions */
} bertrun_answers;

/**
 * Extractive question answering (Devlin et al. 2018, SQuAD), as transformers 4's pipeline: the best
 * spans of the context by softmax of start times softmax of end within each window; with no_answer
 * the least such product of any window's [CLS] counts as the score of the empty answer. Contexts that
 * are too long are run in windows, whatever the session's long_text.
 * @param inputs  [count] pairs: `text` is the question, `pair` the context
 * @param options NULL for defaults
 * @return as bertrun_embed(); UNSUPPORTED where the model has no such head; ARGUMENT where an input
 *         is no pair, the question leaves no room or the stride is too large.
 */
BERTRUN_API bertrun_status bertrun_answer_questions(bertrun_session *session,
                                                    const bertrun_input *inputs, size_t count,
                                                    const bertrun_answer_options *options,
                                                    bertrun_answers *output, bertrun_error *error);

/** A token for a [MASK]. */
typedef struct bertrun_fill {
    int32_t id;
    float score;         /**< softmax over the vocabulary */
    const char *token;   /**< [token_length], no NUL; e.g. "guitar", "##s"; belongs to the model;
                              NULL: an id without a token */
    size_t token_length;
} bertrun_fill;

/** A [MASK] of an input. */
typedef struct bertrun_mask {
    size_t token;              /**< its index among the input's tokens, [CLS] being 0 */
    bertrun_span span;         /**< in its text; empty where the input is ids */
    const bertrun_fill *fills; /**< [num_fills], the best first */
} bertrun_mask;

/** Result of bertrun_fill_masks(); everything it points to belongs to the session. */
typedef struct bertrun_masks {
    size_t count;                   /**< number of inputs */
    size_t num_fills;               /**< of each mask: top_k, or the vocabulary where that is less */
    const size_t *offsets;          /**< [count + 1] first mask of each input, and their number */
    const bertrun_mask *masks;      /**< [offsets[count]] */
    const bertrun_text_info *texts; /**< [count] */
    uint64_t reserved[4];           /**< 0, for later versions */
} bertrun_masks;

/**
 * Masked language modelling (Devlin et al. 2018): the top_k tokens for each "[MASK]". The decoder
 * runs for the masked rows only.
 * @param inputs [count] texts, pairs or ids with a [MASK] each
 * @param top_k  at least 1
 * @return as bertrun_embed(); UNSUPPORTED where the model has no such head; ARGUMENT where top_k is 0
 *         or an input has no [MASK] (or it was cut away), naming the input.
 */
BERTRUN_API bertrun_status bertrun_fill_masks(bertrun_session *session, const bertrun_input *inputs,
                                              size_t count, size_t top_k, bertrun_masks *output,
                                              bertrun_error *error);

typedef struct bertrun_hidden_options {
    const int *layers; /**< [num_layers] each once, in the order wanted: 0 the embedding layer's
                            output, K that of encoder layer K, -1 that of the last one. Borrowed.
                            Default NULL: all, 0 to num_hidden_layers */
    size_t num_layers;
    uint64_t reserved[4];
} bertrun_hidden_options;

BERTRUN_API void bertrun_hidden_options_init(bertrun_hidden_options *options);

/**
 * Hidden states, [num_states, total_tokens, hidden_size]. Token rows of all inputs stand one after
 * another, in order. All of `inputs` are held at once.
 * @param options NULL for defaults
 * @return as bertrun_embed(); ARGUMENT too where a layer is not there or named twice, UNSUPPORTED
 *         where a text is too long for one window with LONG_TEXT_STRIDE.
 */
BERTRUN_API bertrun_status bertrun_hidden_states(bertrun_session *session,
                                                 const bertrun_input *inputs, size_t count,
                                                 const bertrun_hidden_options *options,
                                                 bertrun_output *output, bertrun_error *error);

/** One phase of the work done since the session was opened with `profile`. */
typedef struct bertrun_profile_entry {
    const char *phase;  /**< e.g. "attention.qkv" */
    const char *kernel; /**< implementation, e.g. "onednn:brg:avx512_core_vnni"; static or session's */
    uint64_t calls;     /**< kernel executions */
    double seconds;     /**< summed over threads */
    double operations;  /**< multiplications and additions of linear layers, 0 elsewhere */
} bertrun_profile_entry;

/**
 * Stores the array's address in *entries and returns its length; 0 without `profile`. The array is
 * the session's, valid until this is called again.
 */
BERTRUN_API size_t bertrun_session_profile(bertrun_session *session,
                                           const bertrun_profile_entry **entries);

/**
 * Measures what this machine's cores can do at most in u8·s8 dot products (or the widest exact
 * integer dot product the CPU has), in 10^9 operations a second over `threads` threads; takes about
 * 50 ms. A multiplication and an addition count as two.
 * @return the figure, or 0 where threads cannot be started. Thread-safe.
 */
BERTRUN_API double bertrun_measure_ceiling_gops(int threads);

/* --------------------------------------------------------------------------------- tokenizer */

/*
 * BERT's tokenizer on its own: the ids of Hugging Face `tokenizers`, for the same files. A
 * bertrun_tokenizer is immutable and shared by threads; a bertrun_encoder is one caller's scratch
 * and results.
 */
typedef struct bertrun_tokenizer bertrun_tokenizer;
typedef struct bertrun_encoder bertrun_encoder;

/** Facts about an open tokenizer. */
typedef struct bertrun_tokenizer_info {
    size_t vocab_size; /**< ids are below this; added tokens beyond the vocabulary included */
    size_t max_length; /**< the model's own limit of tokens; 0 where its files name none */
    size_t num_special_single, num_special_pair; /**< special tokens around a text, around a pair */
} bertrun_tokenizer_info;

/**
 * Opens a tokenizer: a `.bin` made by bertrun_convert(), a Hugging Face directory, or one file of
 * such a directory (*.txt as vocab.txt, *.json as tokenizer.json). In a directory tokenizer.json is
 * preferred. What the tokenizer_config.json beside either says explicitly (do_lower_case,
 * strip_accents, tokenize_chinese_chars, model_max_length) wins, as in transformers' BertTokenizer.
 * It, added_tokens.json and special_tokens_map.json also name special and added tokens.
 * @return BERTRUN_OK, or NOMEM, IO, FORMAT, UNSUPPORTED (a tokenizer.json of another kind, named).
 */
BERTRUN_API bertrun_status bertrun_tokenizer_open(bertrun_tokenizer **out, const char *path,
                                                  bertrun_error *error);

/** Closes a tokenizer. Every encoder on it must have been closed before. */
BERTRUN_API void bertrun_tokenizer_close(bertrun_tokenizer **tokenizer);

/** Facts about the tokenizer; valid until it is closed. Thread-safe. */
BERTRUN_API const bertrun_tokenizer_info *
bertrun_tokenizer_get_info(const bertrun_tokenizer *tokenizer);

/**
 * A token's text by its id; *length receives its bytes, and there is NO NUL behind them. NULL: there
 * is no such token. Valid until the tokenizer is closed. Thread-safe.
 */
BERTRUN_API const char *bertrun_tokenizer_token(const bertrun_tokenizer *tokenizer, int32_t id,
                                                size_t *length);

/** A token's id by its text, or -1. Thread-safe. */
BERTRUN_API int32_t bertrun_tokenizer_id(const bertrun_tokenizer *tokenizer, const char *token,
                                         size_t length);

/** Which text of a pair gives way where both are too long together. */
typedef enum bertrun_truncation {
    BERTRUN_TRUNCATION_LONGEST_FIRST = 0, /**< the longer one, down to the shorter; then both */
    BERTRUN_TRUNCATION_ONLY_FIRST,
    BERTRUN_TRUNCATION_ONLY_SECOND,
} bertrun_truncation;

/** How to encode. Zero in every field is the default. */
typedef struct bertrun_encode_options {
    size_t max_length;             /**< tokens of a window, special ones included; 0: no limit */
    bertrun_truncation truncation;
    bool truncate_left;            /**< cut the beginning instead of the end */
    bool truncate_middle;          /**< cut between the first quarter of what is kept and the
                                        rest; not with truncate_left or overflow */
    bool overflow;                 /**< give what is cut in further windows */
    size_t stride;                 /**< tokens by which such a window overlaps the one before */
    bool no_special;               /**< leave out the special tokens around the texts */
    bool offsets;                  /**< fill spans, word_ids and special_mask too */
    uint64_t reserved[4];
} bertrun_encode_options;

BERTRUN_API void bertrun_encode_options_init(bertrun_encode_options *options);

/** Tokens of a text or a pair: all windows, one after another. It all belongs to the encoder. */
typedef struct bertrun_tokens {
    size_t count;
    const int32_t *ids;           /**< [count] */
    const uint8_t *type_ids;      /**< [count] segment: 0, or 1 for the pair's second text */
    const bertrun_span *spans;    /**< [count] within its own text; NULL without `offsets` */
    const int32_t *word_ids;      /**< [count] the word it is part of, counted in its own text from
                                       0; -1 for special tokens; NULL without `offsets` */
    const uint8_t *special_mask;  /**< [count] 1: put around the texts; NULL without `offsets` */
    size_t num_windows;           /**< 1 without `overflow` */
    const size_t *window_offsets; /**< [num_windows + 1] first token of each window, and count */
    size_t truncated;             /**< tokens of the texts that are in no window */
    uint64_t reserved[4];         /**< 0, for later versions */
} bertrun_tokens;

/** Opens an encoder on a tokenizer. @return BERTRUN_OK, or NOMEM. */
BERTRUN_API bertrun_status bertrun_encoder_open(bertrun_encoder **out,
                                                const bertrun_tokenizer *tokenizer,
                                                bertrun_error *error);
BERTRUN_API void bertrun_encoder_close(bertrun_encoder **encoder);

/**
 * Encodes a text, or a pair where input->pair is set. Any bytes are text: ill-formed UTF-8 is read as
 * U+FFFD. Ids in the input are not looked at.
 * @param options NULL for defaults
 * @return BERTRUN_OK, or NOMEM, or ARGUMENT: max_length leaves no room for the special tokens, the
 *         stride is not smaller than a window's room, the text that was chosen to be cut is too
 *         short for it, or options contradict each other.
 * After the first calls have sized the scratch, a call of no larger size allocates nothing.
 */
BERTRUN_API bertrun_status bertrun_tokenizer_encode(bertrun_encoder *encoder,
                                                    const bertrun_input *input,
                                                    const bertrun_encode_options *options,
                                                    bertrun_tokens *tokens, bertrun_error *error);

/**
 * Turns ids back into text as Hugging Face's WordPiece decoder does: pieces joined, a space between
 * words, none before punctuation. Ids without a token are left out.
 * @param skip_special leaves out special tokens, too
 * @param[out] text    UTF-8, [*length] and a NUL; belongs to the encoder
 * @return BERTRUN_OK, or NOMEM.
 */
BERTRUN_API bertrun_status bertrun_tokenizer_decode(bertrun_encoder *encoder, const int32_t *ids,
                                                    size_t num_ids, bool skip_special,
                                                    const char **text, size_t *length,
                                                    bertrun_error *error);

/* ----------------------------------------------------------------------------- language model */

/*
 * Word language models: an LSTM (Hochreiter and Schmidhuber 1997) in the shape of PyTorch's
 * word_language_model, which gives the logits of the next word after each word. A bertrun_lm is
 * immutable and shared by threads; a bertrun_lm_session is one caller's state and scratch.
 */
typedef struct bertrun_lm bertrun_lm;
typedef struct bertrun_lm_session bertrun_lm_session;

/** What a model file or directory is for. */
typedef enum bertrun_kind {
    BERTRUN_KIND_ENCODER = 1, /**< bertrun_model_open() takes it */
    BERTRUN_KIND_LM,          /**< bertrun_lm_open() takes it */
} bertrun_kind;

/**
 * Finds out which of the two a file or directory is; reads its configuration and checks its tensors'
 * shapes, not its weights.
 * @return BERTRUN_OK, or NOMEM, IO, FORMAT, UNSUPPORTED (an architecture that is neither).
 */
BERTRUN_API bertrun_status bertrun_identify(const char *path, bertrun_kind *kind,
                                            bertrun_error *error);

/** Facts about an open language model. Strings belong to it. */
typedef struct bertrun_lm_info {
    const char *architecture; /**< "LSTMModel" */
    const char *stored_dtype; /**< "int8", "f16", "bf16" or "f32": how the file holds the weights */
    bertrun_precision precision;
    size_t vocab_size;     /**< words */
    size_t embedding_size; /**< columns of a word's embedding */
    size_t hidden_size, num_layers;
    bool tied;          /**< the decoder's weight is the word embeddings */
    int32_t unknown_id; /**< id of "<unk>", which stands for words not in the vocabulary; or -1 */
    int32_t eos_id;     /**< id of "<eos>", which ends a line; or -1 */
    size_t num_parameters;
    uint64_t file_bytes;   /**< size on disk of the weights */
    uint64_t weight_bytes; /**< size in memory of weights as packed for this CPU */
} bertrun_lm_info;

/**
 * Opens a language model: a `.bin` made by bertrun_convert(), or a directory with config.json
 * (ntoken, ninp, nhid, nlayers), model.safetensors and vocab.txt (docs/LSTM.md).
 * @param settings as for bertrun_model_open(); NULL for defaults. `activations` must be AUTO or TOKEN: the
 *                 activations of a word are quantized by themselves
 * @return BERTRUN_OK, or ARGUMENT, NOMEM, IO, FORMAT, UNSUPPORTED, INTERNAL.
 */
BERTRUN_API bertrun_status bertrun_lm_open(bertrun_lm **out, const char *path,
                                           const bertrun_model_settings *settings,
                                           bertrun_error *error);

/** Closes a language model. Every session on it must have been closed before. */
BERTRUN_API void bertrun_lm_close(bertrun_lm **lm);

/** Facts about the model; valid until it is closed. Thread-safe. */
BERTRUN_API const bertrun_lm_info *bertrun_lm_get_info(const bertrun_lm *lm);

/**
 * A word's text by its id; *length receives its bytes, and there is NO NUL behind them. NULL: there
 * is no such word. Valid until the model is closed. Thread-safe.
 */
BERTRUN_API const char *bertrun_lm_word(const bertrun_lm *lm, int32_t id, size_t *length);

/** A word's id; `unknown_id` for a word that is not in the vocabulary. Thread-safe. */
BERTRUN_API int32_t bertrun_lm_id(const bertrun_lm *lm, const char *word, size_t length);

/**
 * Cuts the next word out of text [length], at white space as Python's str.split() does: *begin is
 * moved from where to look to the word's first byte, and *size receives its bytes. Returns false
 * where there is none left. The next call begins at *begin + *size. Thread-safe.
 */
BERTRUN_API bool bertrun_lm_next_word(const char *text, size_t length, size_t *begin, size_t *size);

typedef struct bertrun_lm_session_settings {
    int threads;    /**< default 1; 0: as many as the affinity mask and the cgroup quota allow */
    size_t columns; /**< default 1: texts that are read side by side, each with its own state */
    uint64_t reserved[8];
} bertrun_lm_session_settings;

BERTRUN_API void bertrun_lm_session_settings_init(bertrun_lm_session_settings *settings);

/**
 * Opens a session; its state is zero.
 * @param settings NULL for defaults
 * @return BERTRUN_OK, or ARGUMENT (threads or columns out of range), NOMEM, INTERNAL.
 * A session serves one caller at a time; sessions on one model are independent.
 */
BERTRUN_API bertrun_status bertrun_lm_session_open(bertrun_lm_session **out, const bertrun_lm *lm,
                                                   const bertrun_lm_session_settings *settings,
                                                   bertrun_error *error);
BERTRUN_API void bertrun_lm_session_close(bertrun_lm_session **session);

/** Threads the session really uses (what `threads = 0` came to). */
BERTRUN_API int bertrun_lm_session_threads(const bertrun_lm_session *session);

/** Sets the state of all columns to zero, as if nothing had been read. */
BERTRUN_API void bertrun_lm_session_reset(bertrun_lm_session *session);

/**
 * Reads words and gives, after each, the logits of the word that comes next. The state is carried
 * from call to call: cutting a text into calls changes no bit, nor do the other columns or threads.
 * @param ids         [steps, columns], each < vocab_size, borrowed; steps may be 0
 * @param[out] logits [steps, columns, vocab_size], the session's
 * @return BERTRUN_OK, or ARGUMENT (an id out of range; nothing was read), NOMEM (likewise),
 *         INTERNAL (reset the session then).
 * After the first calls have sized the scratch, a call of no more steps allocates nothing of ours.
 */
BERTRUN_API bertrun_status bertrun_lm_logits(bertrun_lm_session *session, const int32_t *ids,
                                             size_t steps, const float **logits,
                                             bertrun_error *error);

/**
 * The same, but only the natural logarithm of each target's probability (softmax of the logits):
 * memory does not grow with steps x vocab_size.
 * @param targets        [steps, columns]: what really comes next, mostly the following ids
 * @param[out] log_probs [steps, columns], the session's
 */
BERTRUN_API bertrun_status bertrun_lm_score(bertrun_lm_session *session, const int32_t *ids,
                                            const int32_t *targets, size_t steps,
                                            const float **log_probs, bertrun_error *error);

/* -------------------------------------------------------------------------------- linear layer */

/**
 * One linear layer of one's own, y = x W^T + b (PyTorch's nn.Linear), quantized and run as a
 * model's layers are (docs/MODEL.md). It holds packed weights, scratch memory and worker threads.
 */
typedef struct bertrun_linear bertrun_linear;

/** AUTO means here what it means for a model whose weights are stored as F32. */
typedef struct bertrun_linear_settings {
    bertrun_precision precision;     /**< default INT8 */
    bertrun_activations activations; /**< default AUTO, which is TOKEN; STATIC is UNSUPPORTED */
    bertrun_weights weights;         /**< default AUTO */
    bertrun_kernels kernels;         /**< default AUTO */
    int threads; /**< default 1; 0: as many as the affinity mask and the cgroup quota allow */
    uint64_t reserved[8];
} bertrun_linear_settings;

BERTRUN_API void bertrun_linear_settings_init(bertrun_linear_settings *settings);

/** What a layer came to. */
typedef struct bertrun_linear_info {
    size_t in, out;                  /**< features */
    bertrun_precision precision;     /**< never AUTO */
    bertrun_activations activations; /**< never AUTO; used by int8 only */
    bertrun_weights weights;         /**< never AUTO; used by int8 only */
    int threads;                     /**< never 0 */
    uint64_t weight_bytes;           /**< size in memory of the weights as packed for this CPU */
} bertrun_linear_info;

/**
 * Quantizes and packs a layer; it starts `threads - 1` workers, which sleep between calls.
 * @param[out] out      the layer, or NULL on failure; close with bertrun_linear_close()
 * @param weights       [num_out, num_in], borrowed for the call
 * @param bias          [num_out], borrowed for the call; NULL: none
 * @param num_in, num_out features: 1 to 65536, 1 to 16777216
 * @param settings      NULL for defaults
 * @return BERTRUN_OK, or ARGUMENT (a setting or a number of features out of range, a weight or bias
 *         that is not finite), NOMEM, UNSUPPORTED (settings that this CPU or a layer without a file
 *         cannot do), INTERNAL.
 */
BERTRUN_API bertrun_status bertrun_linear_open(bertrun_linear **out, const float *weights,
                                               const float *bias, size_t num_in, size_t num_out,
                                               const bertrun_linear_settings *settings,
                                               bertrun_error *error);
BERTRUN_API void bertrun_linear_close(bertrun_linear **linear);

/** What the layer came to; valid until it is closed. Thread-safe. */
BERTRUN_API const bertrun_linear_info *bertrun_linear_get_info(const bertrun_linear *linear);

/**
 * Computes y = x W^T + b for any number of rows, 0 included. In INT8 with activations TOKEN or
 * TOKEN_SYMMETRIC a row's result has the same bits alone, in any batch, on any number of threads.
 * @param x      [rows, in], borrowed for the call. A row with an element that is not finite has no
 *               meaning; of the others only those of BATCH, BATCH_SYMMETRIC and PYTORCH suffer
 * @param[out] y [rows, out], the caller's, apart from x
 * @return BERTRUN_OK, or ARGUMENT (more rows than memory can hold), NOMEM (the layer stays usable),
 *         INTERNAL. After a call that has sized the scratch, one of no more rows allocates nothing
 *         of ours. A layer serves one caller at a time; layers are independent.
 */
BERTRUN_API bertrun_status bertrun_linear_run(bertrun_linear *linear, const float *x, size_t rows,
                                              float *y, bertrun_error *error);

/* ----------------------------------------------------------------------------------- convert */

typedef enum bertrun_dtype {
    BERTRUN_DTYPE_INT8 = 0,
    BERTRUN_DTYPE_F16,
    BERTRUN_DTYPE_BF16,
    BERTRUN_DTYPE_F32,
} bertrun_dtype;

/** Linear layers that are stored in a dtype of their own. */
typedef struct bertrun_keep {
    const char *layers;  /**< a name as in docs/FORMAT.md, less ".weight", or a pattern of fnmatch(3):
                              "encoder.layer.0.*", "*.output.dense". It must match some layer */
    bertrun_dtype dtype; /**< BF16, F16 or F32; the layer then computes in bf16 or f32 */
} bertrun_keep;

/** How linear layers' weights become int8. */
typedef enum bertrun_rounding {
    BERTRUN_ROUNDING_NEAREST = 0,
    BERTRUN_ROUNDING_GPTQ, /**< each column makes up for the errors of those before it, as calibration
                                text shows them at the layer's output (Frantar et al. 2022) */
} bertrun_rounding;

/** Which range of a layer's input, as calibration text shows it, static quantization covers. */
typedef enum bertrun_observer {
    BERTRUN_OBSERVER_NONE = 0,   /**< none is fixed: activations are quantized dynamically */
    BERTRUN_OBSERVER_MINMAX,     /**< all values */
    BERTRUN_OBSERVER_PERCENTILE, /**< without the 0.01 % smallest and largest */
    BERTRUN_OBSERVER_ENTROPY,    /**< least Kullback-Leibler divergence (Migacz 2017) */
} bertrun_observer;

/** Of bertrun_convert_settings.equalize_alpha: one for each layer, which promises the least error. */
#define BERTRUN_EQUALIZE_AUTO (-1.0F)

typedef struct bertrun_convert_settings {
    bertrun_dtype dtype;     /**< default INT8: symmetric s8 with f32 scales */
    bertrun_weights weights; /**< default AUTO: PER_CHANNEL; used by INT8 only */
    const bertrun_keep *keep; /**< [num_keep] exceptions from dtype, default none; of several that
                                   match a layer the last one holds. Borrowed for the call */
    size_t num_keep;
    bertrun_log_fn log;      /**< default NULL; receives progress, too */
    void *log_data;
    const bertrun_input *calibration; /**< [num_calibration] texts of the kind that the model is for,
                                           500 or more; borrowed for the call. Of more than 24,576
                                           tokens only every second text, third, ... is used. INT8's biases
                                           make up for what rounding moves mean outputs by */
    size_t num_calibration;
    float equalize_alpha;      /**< default 0: no equalization. 0 < alpha <= 1 (0.5 is usual), or
                                    BERTRUN_EQUALIZE_AUTO: large activations are moved into weights
                                    (Xiao et al. 2022); needs calibration */
    bertrun_rounding rounding; /**< default NEAREST; GPTQ needs calibration, dtype INT8 and
                                    weights per channel */
    bertrun_observer observer; /**< default NONE; others need calibration and dtype INT8 */
    uint64_t reserved[1];
} bertrun_convert_settings;

BERTRUN_API void bertrun_convert_settings_init(bertrun_convert_settings *settings);

/**
 * Converts a Hugging Face directory, or a word language model's (bertrun_lm_open()), into one
 * self-contained file (docs/FORMAT.md). The file appears whole or not at all: it is written beside
 * `file`, synced and renamed. Calibration texts run through the model on the calling thread; a base
 * model takes minutes. docs/QUANTIZATION.md has the mathematics.
 * @return BERTRUN_OK, or ARGUMENT (a setting out of range, no calibration where it is needed), NOMEM,
 *         IO, FORMAT, UNSUPPORTED (calibration of weights that are int8 already, or of a language
 *         model).
 */
BERTRUN_API bertrun_status bertrun_convert(const char *directory, const char *file,
                                           const bertrun_convert_settings *settings,
                                           bertrun_error *error);

/* ----------------------------------------------------------------------------------- inspect */

/** One tensor as a file stores it. */
typedef struct bertrun_tensor_info {
    const char *name;        /**< as in docs/FORMAT.md; valid during the call */
    const char *dtype;       /**< "int8", "f16", "bf16", "f32"; "u8" is the tokenizer's, whose
                                  fields below `bytes` are 0 (sqnr_db NaN) */
    size_t rank, shape[4];   /**< [rank] */
    uint64_t bytes;          /**< stored, scales included */
    double storage_ratio;    /**< bytes in F32 / bytes */
    float min, max;          /**< of the values, NaN aside; of int8 ones times their scale */
    uint64_t num_not_finite; /**< values that are NaN or infinite; a sound model has none */
    size_t num_scales;       /**< int8: 1 for the tensor, or one a row; else 0 */
    float min_scale, max_scale;
    int32_t zero_point;      /**< of int8 weights: 0, they are symmetric */
    float input_scale;       /**< of a linear layer's input where the file fixes it, else 0 */
    int32_t input_zero_point;
    double sqnr_db;          /**< signal to quantization noise, 10 log10(sum x^2 / sum (x - x')^2):
                                  measured against the original, else expected of int8 values whose
                                  errors are uniform within half a step; NaN: not quantized */
    double clipped;          /**< int8: share of the values whose original lies beyond the range by
                                  more than half a step; without an original the share on the
                                  range's edge, which is the most that may be clipped */
    bool measured;           /**< an original was given */
} bertrun_tensor_info;

typedef void (*bertrun_tensor_fn)(void *data, const bertrun_tensor_info *tensor);

/**
 * Calls `each` for every tensor of a `.bin` or a Hugging Face directory, in a fixed order, on this
 * thread. Scales are told with the tensor they belong to.
 * @param path     UTF-8 path, borrowed
 * @param original NULL, or the `.bin` or directory with float weights that the file was made of
 * @param each     must not be NULL; the info is valid during the call
 * @return BERTRUN_OK, or ARGUMENT, NOMEM, IO, FORMAT (a tensor that the original has not, or in another
 *         shape), UNSUPPORTED (an original that is int8; a file that was equalized, whose weights have
 *         no original). `each` may have been called before a failure. Thread-safe.
 */
BERTRUN_API bertrun_status bertrun_inspect(const char *path, const char *original,
                                           bertrun_tensor_fn each, void *data,
                                           bertrun_error *error);

#ifdef __cplusplus
}
#endif
#endif
