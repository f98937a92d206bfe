/* reduce.inc.c: the reductions of T; LEAST and GREATEST are its ends. */

enum { OF(COLUMNS) = COLUMN_BYTES / sizeof(T) };

/* The blocks of a reduction so far: lanes[0] of their results, lanes[1] of the results of
 * REDUCE_BLOCK blocks, and so on, each of counts[] elements. */
typedef struct OF(blocks) {
    T lanes[REDUCE_LEVELS][LANES];
    int64_t counts[REDUCE_LEVELS];
} OF(blocks);

/* Some blocks of a row, n elements, and room for a result of each. */
typedef struct OF(row_part) {
    const T *a;
    int64_t n;
    T *results;
} OF(row_part);

/* turned[i, r] = element i of row r. */
MG_INLINE void OF(turn)(int64_t rows, int64_t n, const T *a, int64_t stride, T *turned)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t r = 0; r < rows; r++) turned[i * rows + r] = a[r * stride + i];
}

/* Ask for n elements that will be read soon. */
MG_INLINE void OF(fetch)(int64_t n, const T *a)
{
    for (int64_t i = 0; i < n; i += OF(BLOCK)) FETCH(a + i);
}

#define REDUCTION sum
#define START ((T)0)
#define JOIN(m, v) ADD(m, v)
#include "kernels/lanes.inc.c"

#define REDUCTION prod
#define START ((T)1)
#define JOIN(m, v) MUL(m, v)
#include "kernels/lanes.inc.c"

#define REDUCTION amax
#define START LEAST
#define JOIN(m, v) LARGER(m, v)
#include "kernels/lanes.inc.c"

#define REDUCTION amin
#define START GREATEST
#define JOIN(m, v) SMALLER(m, v)
#include "kernels/lanes.inc.c"

#define SEARCH argmax
#define REDUCTION amax
#define START LEAST
#define BETTER(x, y) ((x) > (y))
#include "kernels/search.inc.c"

#define SEARCH argmin
#define REDUCTION amin
#define START GREATEST
#define BETTER(x, y) ((x) < (y))
#include "kernels/search.inc.c"

/* Where x[j * step] is larger, or the first NaN, take it and its number k. */
MG_INLINE void OF(take_larger)(int64_t n, const T *x, int64_t step, OF(index) k,
                               T *largest, OF(index) *place)
{
    EACH for (int64_t j = 0; j < n; j++)
    {
        const T v = x[j * step], m = largest[j];
        const bool more = (v > m) | (IS_NAN(v) & !IS_NAN(m));
        largest[j] = more ? v : m;
        place[j] = more ? k : place[j];
    }
}

/* Windows go side by side: of each the first element, then the second .. */
static void OF(largest_places)(int64_t n, const void *of_a, int64_t next, int64_t size,
                               const int64_t *distances, int64_t at, int64_t *out)
{
    enum { MOST = 64 };
    const T *a = of_a;
    for (int64_t i = 0, some; i < n; i += some, a += some * next, out += some) {
        T largest[MOST];
        OF(index) place[MOST];
        some = n - i < MOST ? n - i : MOST;
        for (int64_t j = 0; j < some; j++) largest[j] = a[j * next], place[j] = 0;
        for (int64_t k = 1; k < size; k++) {
            const T *x = a + distances[k];
            const OF(index) number = (OF(index))k;
            if (next == 1)
                OF(take_larger)(some, x, 1, number, largest, place);
            else if (next == 2)
                OF(take_larger)(some, x, 2, number, largest, place);
            else
                OF(take_larger)(some, x, next, number, largest, place);
        }
        for (int64_t j = 0; j < some; j++)
            out[j] = at + (i + j) * next + distances[place[j]];
    }
}

/* y[i] = y[i - 1] + a[i]: a chain for each row, and so four rows at a time. */
static void OF(cumsum)(int64_t rows, int64_t n, const void *of_a, int64_t stride,
                       void *of_y)
{
    const T *a = of_a;
    T *y = of_y;
    for (; n > 0 && rows >= 4; rows -= 4, a += 4 * stride, y += 4 * n) {
        T sums[4];
        for (int r = 0; r < 4; r++) y[r * n] = sums[r] = a[r * stride];
        for (int64_t i = 1; i < n; i++)
            for (int r = 0; r < 4; r++)
                y[r * n + i] = sums[r] = ADD(sums[r], a[r * stride + i]);
    }
    for (; n > 0 && rows > 0; rows--, a += stride, y += n) {
        T sum = y[0] = a[0];
        for (int64_t i = 1; i < n; i++) y[i] = sum = ADD(sum, a[i]);
    }
}

#define REDUCTION_TABLE(name, type) \
    {rows_##name##_##type, columns_##name##_##type}
