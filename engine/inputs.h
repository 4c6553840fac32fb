/* The inputs of a call, tokenized and packed: sequences of ids one after another. A text is one
 * sequence, or, with BERTRUN_LONG_TEXT_STRIDE, one for each of its windows. */
#ifndef BR_INPUTS_H
#define BR_INPUTS_H

#include "engine/session.h"

/** How a call wants its inputs. */
typedef struct br_input_plan {
    const char *prompt;  /* put in front of each text; NULL: none */
    bool exclude_prompt; /* session->pool_from is filled, so that pooling leaves its tokens out */
    bool windows;        /* the call can do with a text in several windows */
    bool places;         /* the session's spans, word_ids and special_mask are filled */
    bool context;        /* inputs are pairs whose second text is run in windows, always, which */
    size_t stride;       /* share so many tokens */
} br_input_plan;

/** Fills the session's packed inputs, and count, texts and the totals of *output. */
bertrun_status br_pack_inputs(bertrun_session *session, const bertrun_input *inputs, size_t count,
                              const br_input_plan *plan, bertrun_output *output,
                              bertrun_error *error);

#endif
