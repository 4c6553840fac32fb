/* Heads that families name and shape alike. */
#include "models/architecture.h"

#define MEMBER(member) offsetof(br_model_config, member)

const br_module_spec br_classifier_module = {
    BR_MODULE_LINEAR, "classifier", NULL, MEMBER(num_labels), MEMBER(hidden_size), 0,
};

const br_head_spec br_token_classification = {
    .task = BERTRUN_TASK_NER,
    .modules = &br_classifier_module,
    .num_modules = 1,
    .has_labels = true,
};

static const br_module_spec qa_outputs = {
    BR_MODULE_LINEAR, "qa_outputs", NULL, MEMBER(num_labels), MEMBER(hidden_size), 0,
};

const br_head_spec br_question_answering = {
    .task = BERTRUN_TASK_ANSWER,
    .modules = &qa_outputs,
    .num_modules = 1,
    .has_labels = true,
    .labels = {"START", "END"},
};
