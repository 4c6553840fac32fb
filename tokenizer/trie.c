#include "tokenizer/trie.h"

size_t br_trie_walk(const br_trie *trie, const char *text, size_t length)
{
    size_t node = BR_TRIE_ROOT;
    for (size_t i = 0; i < length && node < trie->num_units; i++) {
        uint8_t byte = (uint8_t)text[i];
        size_t child = trie->units[node].base ^ byte;
        bool found = child < trie->num_units && trie->units[child].label == byte + 1u;
        node = found ? child : SIZE_MAX;
    }
    return node < trie->num_units ? node : SIZE_MAX;
}

int32_t br_trie_find(const br_trie *trie, const char *text, size_t length)
{
    int32_t value = -1;
    size_t longest = br_trie_longest(trie, BR_TRIE_ROOT, (const uint8_t *)text, length, &value);
    return longest == length ? value : -1;
}
