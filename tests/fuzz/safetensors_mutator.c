/*
 * Mutates a safetensors file so that most results are still read to their end: a mutation falls
 * either on the header, whose length and padding are then repaired, or on the data, which keep
 * their size.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, ALIGNMENT = 64, MAX_HEADER = 1 << 16 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Bytes of the header, or 0 where the file is none. */
static size_t header_size(const uint8_t *data, size_t size)
{
    uint64_t length = 0;
    if (size < LENGTH_BYTES)
        return 0;
    memcpy(&length, data, LENGTH_BYTES);
    return length < MAX_HEADER && length <= size - LENGTH_BYTES ? (size_t)length : 0;
}

/* Puts `word` in the place of bytes [at, at + old) of the text; returns its new length. */
static size_t replace(char *text, size_t length, size_t at, size_t old, const char *word)
{
    size_t size = strlen(word);
    memmove(text + at + size, text + at + old, length - at - old);
    memcpy(text + at, word, size);
    return length - old + size;
}

/* Another number in the place of one of the header's. */
static size_t mutate_number(char *header, size_t length)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "2",
                                          "3",
                                          "64",
                                          "127",
                                          "0.5",
                                          "1e-30",
                                          "1e30",
                                          "1e39",
                                          "65536",
                                          "2147483648",
                                          "4294967296",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "null",
                                          "true"};
    size_t start = (size_t)rand() % length, at = start;
    while (!isdigit((unsigned char)header[at]) && (at = (at + 1) % length) != start)
        ;
    size_t digits = 0;
    while (at + digits < length && isdigit((unsigned char)header[at + digits]))
        digits++;
    return replace(header, length, at, digits,
                   numbers[(size_t)rand() % (sizeof numbers / sizeof *numbers)]);
}

/* Another word of the format in the place of a string of the header. */
static size_t mutate_word(char *header, size_t length)
{
    static const char *const words[] = {"F32", "F16",     "BF16",    "I8",      "U8",
                                        "I32", "I64",     "gelu",    "relu",    "mean",
                                        "cls", "softmax", "sigmoid", "identity"};
    const char *word = words[(size_t)rand() % (sizeof words / sizeof *words)];
    size_t start = (size_t)rand() % length;
    char *begin = memchr(header + start, '"', length - start);
    char *end = begin ? memchr(begin + 1, '"', (size_t)(header + length - begin - 1)) : NULL;
    if (!end || end[-1] == '\\')
        return length;
    return replace(header, length, (size_t)(begin + 1 - header), (size_t)(end - begin - 1), word);
}

static size_t mutate_text(char *header, size_t length, size_t capacity)
{
    switch (rand() % 4) {
    case 0:
    case 1:
        return mutate_number(header, length);
    case 2:
        return mutate_word(header, length);
    default:
        return LLVMFuzzerMutate((uint8_t *)header, length, capacity);
    }
}

/* The header anew, padded with spaces to where aligned data can begin, and its length before it. */
static size_t mutate_header(uint8_t *data, size_t size, size_t header, size_t max_size)
{
    static char text[2 * MAX_HEADER];
    memcpy(text, data + LENGTH_BYTES, header);
    while (header > 1 && text[header - 1] == ' ')
        header--;
    size_t rest = size - LENGTH_BYTES - header_size(data, size);
    size_t length = mutate_text(text, header, MAX_HEADER);
    while ((LENGTH_BYTES + length) % ALIGNMENT != 0)
        text[length++] = ' ';
    if (LENGTH_BYTES + length + rest > max_size)
        return size;
    memmove(data + LENGTH_BYTES + length, data + size - rest, rest);
    memcpy(data + LENGTH_BYTES, text, length);
    uint64_t written = length;
    memcpy(data, &written, LENGTH_BYTES);
    return LENGTH_BYTES + length + rest;
}

/* A float of a kind that computations stumble over, or any bytes. */
static void mutate_data(uint8_t *data, size_t size)
{
    static const float floats[] = {0.0F,  -0.0F,  1e-45F,  1e-38F,           3e38F,  -3e38F,
                                   1e20F, -1e10F, 127.49F, __builtin_inff(), -1e-7F, 16777217.0F};
    uint32_t nan = 0x7fc00000u | (uint32_t)rand();
    size_t words = size / 4;
    if (words == 0)
        return;
    if (rand() % 2) {
        float chosen = floats[(size_t)rand() % (sizeof floats / sizeof *floats)];
        size_t at = (size_t)rand() % words, run = 1 + (size_t)rand() % 8;
        for (size_t i = at; i < words && i < at + run; i++)
            memcpy(data + 4 * i, rand() % 16 ? (void *)&chosen : (void *)&nan, 4);
    } else {
        size_t window = size < 256 ? size : 256;
        LLVMFuzzerMutate(data + (size_t)rand() % (size - window + 1), window, window);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    srand(seed);
    size_t header = header_size(data, size), begin = LENGTH_BYTES + header;
    if (header == 0 || rand() % 32 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    if (rand() % 2 && begin < size) {
        mutate_data(data + begin, size - begin);
        return size;
    }
    return mutate_header(data, size, header, max_size);
}
