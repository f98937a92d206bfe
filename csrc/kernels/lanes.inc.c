/* lanes.inc.c: one reduction of elements of T. The includer defines its name REDUCTION,
 * START and JOIN(m, v). */

#define NAME(part) PASTE(PASTE(part, REDUCTION), TYPE)

/* Lanes of no element. An initializer would be a slow string instruction of the processor
 * to many compilers. */
MG_INLINE void NAME(start)(T *lanes)
{
    for (int l = 0; l < LANES; l++) lanes[l] = START;
}

/* Fold n elements, a multiple of LANES. `lanes` must be a local array of the caller: then
 * compilers know that a is elsewhere. */
MG_INLINE void NAME(fold)(int64_t n, const T *a, T *lanes)
{
    for (int64_t i = 0; i < n; i += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] = JOIN(lanes[l], a[i + l]);
}

/* Fold n elements into the lanes of what came before them, a multiple of LANES. */
MG_INLINE void NAME(fold_all)(int64_t n, const T *a, T *lanes)
{
    const int64_t whole = WHOLE_BLOCKS(n, LANES);
    NAME(fold)(whole, a, lanes);
    EACH for (int l = 0; l < (int)(n - whole); l++) lanes[l] = JOIN(lanes[l], a[whole + l]);
}

/* Join the lanes of some rows. Each step writes where no other does, and goes over rows:
 * otherwise compilers take lanes for single numbers. */
static void NAME(join_rows)(int64_t rows, T *lanes, T *y)
{
    T *const end = lanes + rows * LANES;
    for (T *m = lanes; m < end; m += LANES)
        for (int l = 0; l < 16; l++) m[l] = JOIN(m[l], m[16 + l]);
    for (T *m = lanes; m < end; m += LANES)
        for (int l = 0; l < 8; l++) m[16 + l] = JOIN(m[l], m[8 + l]);
    for (T *m = lanes; m < end; m += LANES)
        for (int l = 0; l < 4; l++) m[24 + l] = JOIN(m[16 + l], m[20 + l]);
    for (T *m = lanes; m < end; m += LANES)
        for (int l = 0; l < 2; l++) m[28 + l] = JOIN(m[24 + l], m[26 + l]);
    for (int64_t r = 0; r < rows; r++)
        y[r] = JOIN(lanes[r * LANES + 28], lanes[r * LANES + 29]);
}

/* ---- blocks ------------------------------------------------------------------------ */

/* Add the result of the next block. JOIN(m, START) is m of any lane: a sum starts at 0, so
 * no m is -0. */
static void NAME(blocks_add)(OF(blocks) *b, T value)
{
    for (int k = 0; k < REDUCE_LEVELS; k++) {
        T *lanes = b->lanes[k];
        const int lane = (int)(b->counts[k] % LANES);
        if (b->counts[k] == 0) NAME(start)(lanes);
        lanes[lane] = JOIN(lanes[lane], value);
        if (++b->counts[k] < REDUCE_BLOCK) return;
        NAME(join_rows)(1, lanes, &value);
        b->counts[k] = 0;
    }
}

/* Return the result of all blocks: each level's, unfinished, is the last element of the
 * next. */
static T NAME(blocks_end)(OF(blocks) *b)
{
    T value = START;
    for (int k = 0; k < REDUCE_LEVELS; k++) {
        const int lane = (int)(b->counts[k] % LANES);
        if (b->counts[k] == 0) continue;
        b->lanes[k][lane] = JOIN(b->lanes[k][lane], value);
        NAME(join_rows)(1, b->lanes[k], &value);
    }
    return value;
}

/* ---- columns ----------------------------------------------------------------------- */

/* Fold up to LANES rows of `width` elements into as many lanes, or start these with
 * them. */
MG_INLINE void NAME(fold_rows)(int64_t n, int64_t width, const T *a, int64_t stride,
                               bool start, int64_t far, T *lanes)
{
    int64_t rows = stride == width ? 1 : n, length = stride == width ? n * width : width;
    for (int64_t i = 0; i < rows; i++, a += stride, lanes += width) {
        if (far) OF(fetch)(length, a + far * stride);
        if (start) {
            EACH for (int64_t j = 0; j < length; j++) lanes[j] = JOIN(START, a[j]);
        } else {
            EACH for (int64_t j = 0; j < length; j++) lanes[j] = JOIN(lanes[j], a[j]);
        }
    }
}

/* y[j] from `used` lanes of column j. */
MG_INLINE void NAME(join_columns)(int64_t used, int64_t width, T *lanes, T *y)
{
    for (int64_t s = LANES / 2; s > 0; s /= 2)
        if (used > s) {
            EACH for (int64_t i = 0; i < (used - s) * width; i++)
                lanes[i] = JOIN(lanes[i], lanes[s * width + i]);
            used = s;
        }
    for (int64_t j = 0; j < width; j++) y[j] = used ? lanes[j] : START;
}

/* y[j] from n elements of column j, one block at most, of at most COLUMNS columns. A lane
 * without elements would hold START. */
static NEVER_INLINE void NAME(columns_block)(int64_t n, int64_t width, const T *a,
                                             int64_t stride, T *y)
{
    _Alignas(CACHE_LINE) T lanes[LANES * OF(COLUMNS)];
    int64_t used = n < LANES ? n : LANES;
    const bool is_far = n * stride * (int64_t)sizeof(T) > FAR_BYTES && stride > width;
    const int64_t far = is_far ? FAR_ROWS : 0;
    NAME(fold_rows)(used, width, a, stride, true, n > LANES + far ? far : 0, lanes);
    for (int64_t i = LANES; i < n; i += LANES)
        NAME(fold_rows)(n - i < LANES ? n - i : LANES, width, a + i * stride, stride,
                        false, n - i > LANES + far ? far : 0, lanes);
    NAME(join_columns)(used, width, lanes, y);
}

/* Return how many levels of blocks there are above the blocks of n elements. */
MG_INLINE int NAME(levels_of)(int64_t n)
{
    int levels = 1;
    for (int64_t m = n / REDUCE_BLOCK / REDUCE_BLOCK; m > 0; m /= REDUCE_BLOCK) levels++;
    return levels;
}

/* Add the results y of the next block of each column. lanes is (levels, LANES, width);
 * y is changed. */
static void NAME(columns_add)(int64_t *counts, int64_t width, T *lanes, T *y)
{
    for (;; counts++, lanes += LANES * width) {
        NAME(fold_rows)(1, width, y, width, *counts < LANES, 0,
                        lanes + *counts % LANES * width);
        if (++*counts < REDUCE_BLOCK) return;
        NAME(join_columns)(LANES, width, lanes, y);
        *counts = 0;
    }
}

/* y[j] from all blocks: each level's, unfinished, is the last element of the next. */
static void NAME(columns_end)(int levels, const int64_t *counts, int64_t width, T *lanes,
                              T *y)
{
    for (int64_t j = 0; j < width; j++) y[j] = START;
    for (int k = 0; k < levels; k++, lanes += LANES * width) {
        const int64_t used = counts[k] < LANES ? counts[k] + 1 : LANES;
        if (counts[k] == 0) continue;
        NAME(fold_rows)(1, width, y, width, counts[k] < LANES, 0,
                        lanes + counts[k] % LANES * width);
        NAME(join_columns)(used, width, lanes, y);
    }
}

/* The same of several blocks, of at most COLUMNS / levels columns. */
static NEVER_INLINE void NAME(columns_blocks)(int64_t n, int64_t width, const T *a,
                                              int64_t stride, T *y)
{
    _Alignas(CACHE_LINE) T lanes[LANES * OF(COLUMNS)];
    int64_t counts[REDUCE_LEVELS] = {0};
    const int levels = NAME(levels_of)(n);
    for (; n > 0; n -= REDUCE_BLOCK, a += REDUCE_BLOCK * stride) {
        NAME(columns_block)(n < REDUCE_BLOCK ? n : REDUCE_BLOCK, width, a, stride, y);
        NAME(columns_add)(counts, width, lanes, y);
    }
    NAME(columns_end)(levels, counts, width, lanes, y);
}

static void NAME(columns)(int64_t n, int64_t columns, const void *of_a, int64_t stride,
                          void *of_y)
{
    const T *a = of_a;
    T *y = of_y;
    const int64_t most = OF(COLUMNS) / NAME(levels_of)(n);
    while (columns > 0) { /* parts of nearly the same width, whole vectors */
        int64_t parts = (columns + most - 1) / most;
        int64_t width = WHOLE_BLOCKS((columns - 1) / parts + OF(BLOCK), OF(BLOCK));
        if (parts == 1 || width > most) width = parts == 1 ? columns : most;
        if (n <= REDUCE_BLOCK)
            NAME(columns_block)(n, width, a, stride, y);
        else
            NAME(columns_blocks)(n, width, a, stride, y);
        a += width, y += width, columns -= width;
    }
}

/* ---- rows -------------------------------------------------------------------------- */

/* Short rows are turned to columns. */
static void NAME(rows_short)(int64_t rows, int64_t n, const T *a, int64_t stride, T *y)
{
    T turned[SHORT_ROW * ROWS_AT_ONCE];
    for (int64_t first = 0; first < rows; first += ROWS_AT_ONCE) {
        int64_t count = rows - first < ROWS_AT_ONCE ? rows - first : ROWS_AT_ONCE;
        OF(turn)(count, n, a + first * stride, stride, turned);
        NAME(columns_block)(n, count, turned, count, y + first);
    }
}

/* Rows of one block at most. */
static void NAME(rows_block)(int64_t rows, int64_t n, const T *a, int64_t stride, T *y)
{
    for (int64_t group; rows > 0; rows -= group, y += group) {
        T lanes[LANE_ROWS * LANES];
        group = rows < LANE_ROWS ? rows : LANE_ROWS;
        for (T *m = lanes; m < lanes + group * LANES; m += LANES, a += stride) {
            NAME(start)(m);
            NAME(fold_all)(n, a, m);
        }
        NAME(join_rows)(group, lanes, y);
    }
}

/* Find the results of blocks [first, end); only the last of all may be shorter. */
static void NAME(blocks_range)(void *context, int64_t first, int64_t end)
{
    const OF(row_part) *p = context;
    const int64_t all = p->n / REDUCE_BLOCK, whole = end < all ? end : all;
    const T *a = p->a + first * REDUCE_BLOCK, *rest = p->a + whole * REDUCE_BLOCK;
    NAME(rows_block)(whole - first, REDUCE_BLOCK, a, REDUCE_BLOCK, p->results + first);
    if (whole < end)
        NAME(rows_block)(1, p->n - whole * REDUCE_BLOCK, rest, 0, p->results + whole);
}

/* Write the results of the first blocks of n elements to room for SHARED_BLOCKS; return
 * how many elements these have. */
static int64_t NAME(blocks_find)(int64_t n, const T *a, T *results)
{
    const int64_t most = (int64_t)SHARED_BLOCKS * REDUCE_BLOCK;
    OF(row_part) part = {a, n < most ? n : most, results};
    parallel_ranges((part.n - 1) / REDUCE_BLOCK + 1, REDUCE_BLOCK, NAME(blocks_range),
                    &part);
    return part.n;
}

/* Return the result of one long row. */
static NEVER_INLINE T NAME(row_of_blocks)(int64_t n, const T *a)
{
    OF(blocks) blocks = {.counts = {0}};
    T results[SHARED_BLOCKS];
    for (int64_t found; n > 0 && work_goes_on(); n -= found, a += found) {
        found = NAME(blocks_find)(n, a, results);
        for (int64_t i = 0; i * REDUCE_BLOCK < found; i++)
            NAME(blocks_add)(&blocks, results[i]);
    }
    return NAME(blocks_end)(&blocks);
}

static void NAME(rows)(int64_t rows, int64_t n, const void *of_a, int64_t stride,
                       void *of_y)
{
    const T *a = of_a;
    T *y = of_y;
    if (n <= SHORT_ROW)
        NAME(rows_short)(rows, n, a, stride, y);
    else if (n <= REDUCE_BLOCK)
        NAME(rows_block)(rows, n, a, stride, y);
    else
        for (int64_t r = 0; r < rows; r++) y[r] = NAME(row_of_blocks)(n, a + r * stride);
}

#undef NAME
#undef REDUCTION
#undef START
#undef JOIN
