/* file.c: what both kinds of program files share: their header, and its checksum. */
#include "programs/file.h"

static const char magic[4] = {'M', 'G', 'P', '1'};

/* Return the CRC-32 of bytes, as zip archives have it. */
static uint32_t checksum(const uint8_t *bytes, size_t count)
{
    uint32_t table[256], crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xEDB88320u : 0);
    }
    for (size_t i = 0; i < count; i++) crc = table[(crc ^ bytes[i]) & 0xFF] ^ crc >> 8;
    return ~crc;
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
    put_u32(&crc, checksum(w->to + FILE_CHECKED, w->at - FILE_CHECKED));
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
    const uint32_t found = checksum(bytes + FILE_CHECKED, size - FILE_CHECKED);
    return found == u32_at(bytes + 8) ? (int)kind : MG_ERR_FILE;
}

/* Read the header of a whole file. */
int header_take(reader *r, int kind, file_header *header)
{
    MG_RETURN_IF(mg_file_kind(r->from, r->size) != kind, MG_ERR_FILE);
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
