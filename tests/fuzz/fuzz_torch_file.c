/*
 * Any bytes as a checkpoint of torch.save(). Input: a byte that chooses the form; then an archive, or
 * a pickle alone, which spares the fuzzer the archive's offsets. What opens is read through.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/memory.h"
#include "models/pickle.h"
#include "models/torch_file.h"

static void read_archive(const uint8_t *data, size_t size)
{
    br_safetensors file;
    volatile uint8_t sum = 0;
    if (br_torch_parse(&file, data, size, "fuzz", NULL) != BERTRUN_OK)
        return;
    for (size_t i = 0; i < file.num_tensors; i++)
        for (size_t j = 0; j < file.tensors[i].bytes; j++)
            sum = (uint8_t)(sum + ((const uint8_t *)file.tensors[i].data)[j]);
    br_safetensors_close(&file);
}

static void read_pickle(const uint8_t *data, size_t size)
{
    br_pickled_tensor *tensors;
    size_t count;
    if (br_pickle_read(&tensors, &count, data, size, "fuzz", NULL) == BERTRUN_OK)
        for (size_t i = 0; i < count; i++)
            if (tensors[i].name < (const char *)data ||
                tensors[i].name + tensors[i].name_length > (const char *)data + size ||
                tensors[i].rank > BR_PICKLE_MAX_RANK)
                abort();
    br_free(tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2)
        read_pickle(data + 1, size - 1);
    else
        read_archive(data + 1, size - 1);
    return 0;
}
