#include "cli/utf8.h"

/* Of a well-formed character; 0: no character begins like that. */
static size_t bytes_of(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

size_t utf8_next(const char *text, size_t length, bool *good)
{
    const unsigned char *byte = (const unsigned char *)text;
    unsigned char lead = byte[0]; /* table 3-7: some narrow the range of the second byte */
    unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    size_t bytes = bytes_of(lead), at = 1;
    for (; at < bytes && at < length && byte[at] >= least && byte[at] <= most; at++) {
        least = 0x80;
        most = 0xbf;
    }
    *good = at == bytes;
    return at;
}
