/* A session: worker threads, their lanes, and the memory that one call's data passes through. */
#ifndef BR_SESSION_H
#define BR_SESSION_H

#include "engine/heads.h"

struct bertrun_session {
    const bertrun_model *model;
    size_t max_length, batch_tokens, stride;
    bertrun_long_text long_text;
    int threads;
    br_workspace work;
    br_head_rows head;

    /* the inputs of one call, packed (engine/inputs.h) */
    br_encoding encoding;
    br_buffer prompted; /* a prompt and a text */
    size_t num_sequences;
    br_buffer ids, type_ids;                 /* [tokens] */
    br_buffer cu_seqlens;                    /* [num_sequences + 1] of the call */
    br_buffer batch_seqlens;                 /* [sequences of a batch + 1] of one forward pass */
    br_buffer sequence_texts;                /* [num_sequences] the input that a sequence is of */
    br_buffer pool_from;                     /* [num_sequences] rows that pooling leaves out */
    br_buffer spans, word_ids, special_mask; /* [tokens] as in br_encoding, where asked for */

    /* its results */
    br_buffer texts, values, scores, codes;
    br_buffer state_slots;   /* [num_hidden_layers + 1] of hidden states */
    br_buffer found;         /* entities, answers or fills, those of each text one after another */
    br_buffer found_offsets; /* [texts + 1] the first of each text, and how many there are */
    br_buffer candidates;    /* of one text or window */
    br_buffer answer_slots;  /* of one question */
    br_buffer masks;         /* each [MASK] */
    br_buffer label_scores;  /* [num_labels] */

    bertrun_profile_entry profile[BR_NUM_PHASES];
};

#endif
