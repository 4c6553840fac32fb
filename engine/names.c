#include "bertrun/bertrun.h"

const char *bertrun_version(void)
{
    return BERTRUN_VERSION;
}

const char *bertrun_precision_name(bertrun_precision precision)
{
    static const char *const NAMES[] = {"auto", "int8", "bf16", "f32"};
    return (unsigned)precision < sizeof NAMES / sizeof NAMES[0] ? NAMES[precision] : "unknown";
}

const char *bertrun_activations_name(bertrun_activations activations)
{
    static const char *const NAMES[] = {
        "auto", "token", "token-symmetric", "batch", "batch-symmetric", "pytorch", "static"};
    return (unsigned)activations < sizeof NAMES / sizeof NAMES[0] ? NAMES[activations] : "unknown";
}

const char *bertrun_weights_name(bertrun_weights weights)
{
    static const char *const NAMES[] = {"auto", "per-channel", "per-tensor"};
    return (unsigned)weights < sizeof NAMES / sizeof NAMES[0] ? NAMES[weights] : "unknown";
}

const char *bertrun_pooling_name(bertrun_pooling pooling)
{
    static const char *const NAMES[] = {"auto",   "mean",          "cls",       "max",
                                        "pooler", "weighted-mean", "last-token"};
    return (unsigned)pooling < sizeof NAMES / sizeof NAMES[0] ? NAMES[pooling] : "unknown";
}

const char *bertrun_task_name(bertrun_task task)
{
    static const char *const NAMES[] = {"auto", "embed", "classify", "ner", "answer", "fill-mask"};
    return (unsigned)task < sizeof NAMES / sizeof NAMES[0] ? NAMES[task] : "unknown";
}

const char *bertrun_scores_name(bertrun_scores scores)
{
    static const char *const NAMES[] = {"softmax", "sigmoid", "identity"};
    return (unsigned)scores < sizeof NAMES / sizeof NAMES[0] ? NAMES[scores] : "unknown";
}
