/* Any bytes as a .npy file of ranges, and of embeddings to calibrate with. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "cli/code_ranges.h"
#include "memory_file.h"

enum { WIDTH = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = memory_file(data, size);
    for (int calibration = 0; calibration < 2; calibration++) {
        float *ranges;
        if (code_ranges_read(path, calibration, WIDTH, &ranges) == CLI_OK && calibration)
            for (size_t i = 0; i < WIDTH; i++)
                if (!(ranges[i] <= ranges[WIDTH + i]))
                    abort();
        free(ranges);
    }
    return 0;
}
