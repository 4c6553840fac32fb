/* Any bytes as a `.bin`: as a model, as a tokenizer, and as `info` looks at it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memory_file.h"
#include "models/checkpoint.h"
#include "bertrun/bertrun.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void read_tensor(void *data, const bertrun_tensor_info *tensor)
{
    (void)data;
    require(tensor->rank <= 4 && strlen(tensor->name) > 0);
}

/* What opening promises: vectors are finite, data lie as their shapes say. */
static void check_tensors(const br_checkpoint *checkpoint)
{
    const br_tensor *tensors;
    size_t count = br_checkpoint_tensors(checkpoint, &tensors);
    for (size_t i = 0; i < count; i++) {
        size_t elements = 1;
        for (size_t j = 0; j < tensors[i].rank; j++)
            elements *= tensors[i].shape[j];
        require(elements * br_dtype_size(tensors[i].dtype) == tensors[i].bytes);
    }
}

static void open_checkpoint(const char *path, bool tokenizer)
{
    br_checkpoint *checkpoint;
    bertrun_error error = {0};
    bertrun_status status = tokenizer
                                ? br_checkpoint_open_tokenizer(&checkpoint, path, true, &error)
                                : br_checkpoint_open(&checkpoint, path, false, &error);
    if (status == BERTRUN_OK)
        check_tensors(checkpoint);
    else
        require(strncmp(error.message, path, strlen(path)) == 0);
    br_checkpoint_close(&checkpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bertrun_kind kind;
    const char *path = memory_file(data, size);
    open_checkpoint(path, false);
    open_checkpoint(path, true);
    bertrun_identify(path, &kind, NULL);
    bertrun_inspect(path, NULL, read_tensor, NULL, NULL);
    return 0;
}
