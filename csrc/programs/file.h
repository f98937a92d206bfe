/* file.h: the bytes of program files, "MGP1", which SPEC.md describes. Files are little
 * endian, and so may be read and written at any place of memory, byte by byte. */
#ifndef MG_FILE_H
#define MG_FILE_H

#include "base/core.h"

enum { FILE_NUMBERS = 1, FILE_ARRAYS = 2 }; /* kinds */
enum { FILE_HEADER = 64, FILE_CHECKED = 16, FILE_OP = 32, FILE_NAME = 24 }; /* bytes */
enum { FILE_PORTABLE = 1 };                   /* flags */

/* ---- writing ----------------------------------------------------------------------- */

/* Bytes on their way to memory, or, where this is NULL, to be counted. */
typedef struct writer {
    uint8_t *to;
    size_t at;
} writer;

MG_INLINE void put_u64(writer *w, uint64_t x, size_t bytes)
{
    for (size_t i = 0; w->to && i < bytes; i++) w->to[w->at + i] = (uint8_t)(x >> 8 * i);
    w->at += bytes;
}

MG_INLINE void put_u32(writer *w, uint64_t x)
{
    put_u64(w, x, 4);
}

MG_INLINE void put_f64(writer *w, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_u64(w, bits, 8);
}

MG_INLINE void put_bytes(writer *w, const void *from, size_t count)
{
    if (w->to && count) memcpy(w->to + w->at, from, count);
    w->at += count;
}

/* Write a name, padded with zeros to FILE_NAME bytes. */
MG_INLINE void put_name(writer *w, const char *name)
{
    const size_t length = strlen(name);
    put_bytes(w, name, length);
    for (size_t i = length; i < FILE_NAME; i++) put_u64(w, 0, 1);
}

/* ---- reading ----------------------------------------------------------------------- */

/* Bytes of which the first `at` have been read. */
typedef struct reader {
    const uint8_t *from;
    size_t size, at;
    bool failed; /* more was asked for than there is */
} reader;

/* Return the place of the next items; NULL: there are not so many. */
MG_INLINE const uint8_t *take(reader *r, uint64_t count, size_t size)
{
    const uint8_t *found = r->from + r->at;
    if (r->failed || count > (r->size - r->at) / size) {
        r->failed = true;
        return NULL;
    }
    r->at += (size_t)count * size;
    return found;
}

MG_INLINE uint64_t u64_at(const uint8_t *from)
{
    uint64_t x = 0;
    for (int i = 7; i >= 0; i--) x = x << 8 | from[i];
    return x;
}

MG_INLINE uint32_t u32_at(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
           (uint32_t)from[3] << 24;
}

MG_INLINE double f64_at(const uint8_t *from)
{
    uint64_t bits = u64_at(from);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- file.c ------------------------------------------------------------------------ */

/* What every program file begins with. */
typedef struct file_header {
    uint32_t kind, flags;
    uint32_t counts[10];
} file_header;

void header_put(writer *w, const file_header *header);
void file_seal(writer *w);
int header_take(reader *r, int kind, file_header *header);
bool name_is(const uint8_t *from, const char *name);
bool names_are_whole(const uint8_t *names, size_t size, uint32_t count);

#endif
