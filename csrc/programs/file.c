/* file.c: what both kinds of program files share: their header, and its checksum. */
#include "base/base.h"
#include "programs/file.h"

static const char magic[4] = {'M', 'G', 'P', '1'};

/* Make the table of a CRC-32 that goes through 32 bits at once: row k is what each value of
 * half byte k of them becomes, half byte 7 being the last one. */
static void checksum_table(uint32_t table[8][16])
{
    for (uint32_t i = 0; i < 16; i++)
        for (int k = 7; k >= 0; k--) {
            uint32_t crc = k == 7 ? i : table[k + 1][i];
            for (int bit = 0; bit < 4; bit++)
                crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
            table[k][i] = crc;
        }
}

/* Go on with a CRC-32, as zip archives have it; all bits of the first and of the last one
 * are turned. */
static uint32_t checksum(uint32_t crc, const uint8_t *bytes, size_t count)
{
    uint32_t table[8][16];
    size_t i = 0;
    checksum_table(table);
    for (; i + 4 <= count; i += 4) {
        const uint32_t x = crc ^ u32_at(bytes + i);
        crc = table[0][x & 15] ^ table[1][x >> 4 & 15] ^ table[2][x >> 8 & 15] ^
              table[3][x >> 12 & 15] ^ table[4][x >> 16 & 15] ^ table[5][x >> 20 & 15] ^
              table[6][x >> 24 & 15] ^ table[7][x >> 28];
    }
    for (; i < count; i++) {
        const uint32_t x = crc ^ bytes[i];
        crc = crc >> 8 ^ table[6][x & 15] ^ table[7][x >> 4 & 15];
    }
    return crc;
}

/* Write a header, but for size and checksum. */
void header_put(writer *w, const file_header *header)
{
    put_bytes(w, magic, sizeof magic);
    put_u32(w, header->kind);
    put_u32(w, 0);
    put_u32(w, header->flags);
    put_u64(w, 0, 8);
    for (int i = 0; i < 10; i++) put_u32(w, header->counts[i]);
}

/* Write the size of a whole file, and its checksum. */
void file_seal(writer *w)
{
    if (!w->to) return;
    writer size = {w->to, 16}, crc = {w->to, 8};
    put_u64(&size, w->at, 8);
    put_u32(&crc, ~checksum(~0u, w->to + FILE_CHECKED, w->at - FILE_CHECKED));
}

/* Tell whether a whole file is as it was sealed. */
static int checksum_check(const uint8_t *bytes, size_t size)
{
    enum { PIECE = 1 << 22 }; /* bytes, in about 3 ms */
    uint32_t crc = ~0u;
    for (size_t at = FILE_CHECKED, n; at < size; at += n) {
        n = size - at < PIECE ? size - at : PIECE;
        MG_RETURN_IF(!work_goes_on(), MG_ERR_INTERRUPTED);
        crc = checksum(crc, bytes + at, n);
    }
    return ~crc == u32_at(bytes + 8) ? MG_OK : MG_ERR_FILE;
}

int mg_file_kind(const void *from, size_t size)
{
    const uint8_t *bytes = from;
    MG_RETURN_IF(size < FILE_HEADER, MG_ERR_FILE);
    MG_RETURN_IF(memcmp(bytes, magic, sizeof magic) != 0, MG_ERR_FILE);
    const uint32_t kind = u32_at(bytes + 4);
    MG_RETURN_IF(kind != FILE_NUMBERS && kind != FILE_ARRAYS, MG_ERR_FILE);
    MG_RETURN_IF(u64_at(bytes + 16) != size, MG_ERR_FILE);
    MG_RETURN_IF(u32_at(bytes + 12) & ~(uint32_t)FILE_PORTABLE, MG_ERR_FILE);
    MG_TRY(checksum_check(bytes, size));
    return (int)kind;
}

/* Read the header of a whole file. */
int header_take(reader *r, int kind, file_header *header)
{
    const int found = mg_file_kind(r->from, r->size);
    MG_TRY(found);
    MG_RETURN_IF(found != kind, MG_ERR_FILE);
    header->kind = (uint32_t)kind;
    header->flags = u32_at(r->from + 12);
    for (size_t i = 0; i < 10; i++) header->counts[i] = u32_at(r->from + 24 + 4 * i);
    r->at = FILE_HEADER;
    return MG_OK;
}

/* Tell whether FILE_NAME bytes are this name, with zeros behind it. */
bool name_is(const uint8_t *from, const char *name)
{
    const size_t length = strlen(name);
    for (size_t i = 0; i < FILE_NAME; i++)
        if (from[i] != (i < length ? (uint8_t)name[i] : 0)) return false;
    return length < FILE_NAME;
}

/* Tell whether bytes are so many texts, each with a zero behind it. */
bool names_are_whole(const uint8_t *names, size_t size, uint32_t count)
{
    size_t ends = 0;
    for (size_t i = 0; i < size; i++) ends += !names[i];
    return ends == count && (!size || !names[size - 1]);
}
