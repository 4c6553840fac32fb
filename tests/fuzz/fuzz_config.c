/*
 * Any bytes as one of the JSON files of a directory; the others are those of a small model that is
 * fine. Input: a byte that chooses the file, then its bytes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/checkpoint.h"

#define SHARD "model-00001-of-00004.safetensors"

/* A file to damage, of a model in GOLDEN, and the folders and files that it needs beside it. */
static const struct {
    const char *file, *model, *folders[3], *links[5];
} kinds[] = {
    {"config.json", "bert", {NULL}, {"model.safetensors", NULL}},
    {"config.json", "bert-classifier-f16", {NULL}, {"model.safetensors", NULL}},
    {"config.json", "distilbert-classifier-bf16", {NULL}, {"model.safetensors", NULL}},
    {"config.json", "lstm", {NULL}, {"model.safetensors", NULL}},
    {"model.safetensors.index.json",
     "distilbert-sharded",
     {NULL},
     {"config.json", SHARD, "model-00002-of-00004.safetensors", "model-00003-of-00004.safetensors",
      "model-00004-of-00004.safetensors"}},
    {"modules.json",
     "bert-prompts",
     {NULL},
     {"0_Transformer", "1_Pooling", "2_Dense", "config_sentence_transformers.json", NULL}},
    {"config_sentence_transformers.json",
     "bert-prompts",
     {NULL},
     {"0_Transformer", "1_Pooling", "2_Dense", "modules.json", NULL}},
    {"1_Pooling/config.json",
     "bert-sentence",
     {"1_Pooling", NULL},
     {"config.json", "model.safetensors", "modules.json", "2_Dense", NULL}},
    {"2_Dense/config.json",
     "bert-sentence",
     {"2_Dense", NULL},
     {"config.json", "model.safetensors", "modules.json", "1_Pooling",
      "2_Dense/model.safetensors"}},
    {"sentence_bert_config.json",
     "bert-sentence",
     {NULL},
     {"config.json", "model.safetensors", "modules.json", "1_Pooling", "2_Dense"}},
};
enum { NUM_KINDS = sizeof kinds / sizeof *kinds, NUM_LINKS = 5 };

static char root[64];

static void make(size_t kind)
{
    char from[512], to[512];
    snprintf(to, sizeof to, "%s/%zu", root, kind);
    mkdir(to, 0700);
    for (size_t i = 0; kinds[kind].folders[i]; i++) {
        snprintf(to, sizeof to, "%s/%zu/%s", root, kind, kinds[kind].folders[i]);
        mkdir(to, 0700);
    }
    for (size_t i = 0; i < NUM_LINKS && kinds[kind].links[i]; i++) {
        snprintf(from, sizeof from, GOLDEN "/tiny/%s/%s", kinds[kind].model, kinds[kind].links[i]);
        snprintf(to, sizeof to, "%s/%zu/%s", root, kind, kinds[kind].links[i]);
        if (access(from, R_OK) != 0 || symlink(from, to) != 0)
            abort();
    }
}

static void clean_up(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    if (system(command) != 0)
        perror(root);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    snprintf(root, sizeof root, "/dev/shm/bertrun-fuzz-XXXXXX");
    if (!mkdtemp(root))
        abort();
    for (size_t i = 0; i < NUM_KINDS; i++)
        make(i);
    return atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t kind = data[0] % NUM_KINDS;
    char path[256];
    snprintf(path, sizeof path, "%s/%zu/%s", root, kind, kinds[kind].file);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data + 1, 1, size - 1, file) != size - 1 || fclose(file) != 0)
        abort();
    snprintf(path, sizeof path, "%s/%zu", root, kind);
    br_checkpoint *checkpoint;
    bertrun_error error = {0};
    if (br_checkpoint_open(&checkpoint, path, false, &error) != BERTRUN_OK &&
        strncmp(error.message, path, strlen(path)) != 0)
        abort();
    br_checkpoint_close(&checkpoint);
    return 0;
}
