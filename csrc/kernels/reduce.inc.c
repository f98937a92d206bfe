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
