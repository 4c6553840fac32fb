/* Any bytes as a safetensors file. What opens is read through. */
#include <stdint.h>
#include <stdlib.h>

#include "models/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    br_safetensors file;
    volatile uint8_t sum = 0;
    if (br_safetensors_parse(&file, data, size, "fuzz", NULL) != BERTRUN_OK)
        return 0;
    for (size_t i = 0; i < file.num_tensors; i++) {
        const br_tensor *tensor = &file.tensors[i];
        for (size_t j = 0; j < tensor->bytes; j++)
            sum = (uint8_t)(sum + ((const uint8_t *)tensor->data)[j]);
        if (br_safetensors_find(&file, tensor->name) != tensor)
            abort();
    }
    br_safetensors_metadata(&file, "bertrun.config");
    br_safetensors_close(&file);
    return 0;
}
