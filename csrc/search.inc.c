/* search.inc.c: where in a row the first of its largest elements is, or of its smallest.
 * The includer defines the name SEARCH, the REDUCTION that finds the element, START, and
 * BETTER(x, y). A NaN is better than every number. */

#define FIND(part) PASTE(PASTE(part, SEARCH), TYPE)
#define FOUND(part) PASTE(PASTE(part, REDUCTION), TYPE)

/* Go through [from, n) with the best of before. */
MG_INLINE int64_t FIND(scan)(int64_t n, const T *a)
{
    int64_t at = 0;
    T best = a[0];
    for (int64_t i = 1; i < n; i++) {
        bool better = BETTER(a[i], best) || (OF(is_nan)(a[i]) && !OF(is_nan)(best));
        at = better ? i : at;
        best = better ? a[i] : best;
    }
    return at;
}

/* Find the first block that holds the best, then its place there. */
static int64_t FIND(long_row)(int64_t n, const T *a)
{
    T best = START;
    int64_t at = 0;
    for (int64_t i = 0; i < n && !OF(is_nan)(best); i += SEARCH_BLOCK) {
        T of_block;
        FOUND(rows)(1, n - i < SEARCH_BLOCK ? n - i : SEARCH_BLOCK, a + i, 0, &of_block);
        if (!BETTER(of_block, best) && !OF(is_nan)(of_block)) continue;
        best = of_block;
        at = i;
    }
    while (a[at] != best && !(OF(is_nan)(best) && OF(is_nan)(a[at]))) at++;
    return at;
}

static void FIND(rows)(int64_t rows, int64_t n, const void *of_a, int64_t stride,
                       void *of_y)
{
    const T *a = of_a;
    int64_t *y = of_y;
    for (int64_t r = 0; r < rows; r++, a += stride)
        y[r] = n <= SHORT_SEARCH ? FIND(scan)(n, a) : FIND(long_row)(n, a);
}

#undef FIND
#undef FOUND
#undef SEARCH
#undef REDUCTION
#undef START
#undef BETTER
