/* search.inc.c: where in a row the first of its largest elements is, or of its smallest.
 * The includer defines the name SEARCH, the REDUCTION that finds the element, START, and
 * BETTER(x, y). A NaN is better than every number. */

#define FIND(part) PASTE(PASTE(part, SEARCH), TYPE)
#define FOUND(part) PASTE(PASTE(part, REDUCTION), TYPE)

/* Tell whether some of n elements, a constant, are `best` or NaN. */
MG_INLINE bool FIND(are_some)(int n, const T *a, T best)
{
    int hits = 0;
    for (int i = 0; i < n; i++) hits |= (a[i] == best) | OF(is_nan)(a[i]);
    return hits;
}

/* The first element that is `best`, or NaN if that is NaN. There is one, if nobody has
 * written to them meanwhile. */
MG_INLINE int64_t FIND(place)(int64_t n, const T *a, T best)
{
    enum { STEP = SEARCH_STEP / 8 };
    int64_t at = 0;
    while (at + SEARCH_STEP <= n && !FIND(are_some)(SEARCH_STEP, a + at, best))
        at += SEARCH_STEP;
    while (at + STEP <= n && !FIND(are_some)(STEP, a + at, best)) at += STEP;
    while (at < n && a[at] != best && !OF(is_nan)(a[at])) at++;
    return at < n ? at : n - 1;
}

/* Find the first block that holds the best, then its place there. */
static NEVER_INLINE int64_t FIND(row_of_blocks)(int64_t n, const T *a)
{
    T best = START, results[SHARED_BLOCKS];
    int64_t at = 0, end = n < REDUCE_BLOCK ? n : REDUCE_BLOCK;
    for (int64_t i = 0, found; i < n && !OF(is_nan)(best) && work_goes_on(); i += found) {
        found = FOUND(blocks_find)(n - i, a + i, results);
        for (int64_t k = 0; k < found && !OF(is_nan)(best); k += REDUCE_BLOCK) {
            T of_block = results[k / REDUCE_BLOCK];
            if (!BETTER(of_block, best) && !OF(is_nan)(of_block)) continue;
            best = of_block;
            at = i + k;
            end = n - at < REDUCE_BLOCK ? n : at + REDUCE_BLOCK;
        }
    }
    return at + FIND(place)(end - at, a + at, best);
}

static int64_t FIND(row)(int64_t n, const T *a)
{
    T best;
    if (n > REDUCE_BLOCK) return FIND(row_of_blocks)(n, a);
    FOUND(rows)(1, n, a, 0, &best);
    return FIND(place)(n, a, best);
}

/* The same of short rows, turned to columns. */
static void FIND(short_rows)(int64_t rows, int64_t n, const T *a, int64_t stride,
                             int64_t *y)
{
    T turned[SHORT_SEARCH * ROWS_AT_ONCE];
    OF(index) at[ROWS_AT_ONCE];
    const int64_t step = ROWS_AT_ONCE;
    for (; rows > 0; rows -= step, a += step * stride, y += step) {
        const int64_t count = rows < ROWS_AT_ONCE ? rows : ROWS_AT_ONCE;
        OF(turn)(count, n, a, stride, turned);
        for (int64_t r = 0; r < count; r++) at[r] = 0;
        for (int64_t i = 1; i < n; i++)
            for (int64_t r = 0; r < count; r++) {
                T v = turned[i * count + r], best = turned[r];
                bool better = BETTER(v, best) | (OF(is_nan)(v) > OF(is_nan)(best));
                at[r] = better ? (OF(index))i : at[r];
                turned[r] = better ? v : best;
            }
        for (int64_t r = 0; r < count; r++) y[r] = at[r];
    }
}

static void PASTE(SEARCH, TYPE)(int64_t rows, int64_t n, const void *of_a,
                                int64_t stride, void *of_y)
{
    const T *a = of_a;
    int64_t *y = of_y;
    if (n <= SHORT_SEARCH)
        FIND(short_rows)(rows, n, a, stride, y);
    else
        for (int64_t r = 0; r < rows; r++) y[r] = FIND(row)(n, a + r * stride);
}

#undef FIND
#undef FOUND
#undef SEARCH
#undef REDUCTION
#undef START
#undef BETTER
