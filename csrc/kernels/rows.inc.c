/* rows.inc.c: what is done to rows as a whole, for T, float or double: softmax and its
 * family, variance, norms. Rows go in groups that fit in a small block, so that short
 * ones are worked on together; a row that is longer goes through the block in pieces. The
 * blocks (SPEC.md) of one that has several are shared among threads. */

/* ---- long rows --------------------------------------------------------------------- */

/* A row of several blocks, from each of which compute() makes two sums, or elements of y;
 * and what one or another compute() needs. */
typedef struct OF(long_row) OF(long_row);
struct OF(long_row) {
    void (*compute)(const OF(long_row) *row, int64_t first, int64_t n, T *sums);
    int64_t n, block; /* the block that is the first of a range */
    const T *a, *g, *weight, *bias;
    T *y, *sums; /* sums: of all blocks from `block` on, or NULL */
    T c, by, mean, scale, of_h, of_p;
    map_kernel f;
};

static void OF(row_range)(void *context, int64_t first, int64_t end)
{
    const OF(long_row) *row = context;
    for (int64_t i = first; i < end; i++) {
        int64_t done = (row->block + i) * REDUCE_BLOCK, left = row->n - done;
        row->compute(row, done, left < REDUCE_BLOCK ? left : REDUCE_BLOCK,
                     row->sums ? row->sums + 2 * i : NULL);
    }
}

/* Compute y, at a cost of an element as of parallel_ranges(). */
static void OF(row_map)(OF(long_row) row, double cost)
{
    const int64_t blocks = (row.n - 1) / REDUCE_BLOCK + 1;
    if (blocks == 1)
        row.compute(&row, 0, row.n, NULL);
    else
        parallel_ranges(blocks, (double)REDUCE_BLOCK * cost, OF(row_range), &row);
}

/* Compute y, if there is one, and `count` sums, of those of the blocks. */
static NEVER_INLINE void OF(row_sums)(OF(long_row) row, double cost, int count, T *sums)
{
    const int64_t blocks = (row.n - 1) / REDUCE_BLOCK + 1;
    T of_blocks[2 * SHARED_BLOCKS];
    OF(blocks) all[2] = {{.counts = {0}}, {.counts = {0}}};
    row.sums = of_blocks;
    for (int64_t some; row.block < blocks && work_goes_on(); row.block += some) {
        some = blocks - row.block < SHARED_BLOCKS ? blocks - row.block : SHARED_BLOCKS;
        parallel_ranges(some, (double)REDUCE_BLOCK * cost, OF(row_range), &row);
        for (int64_t i = 0; i < some; i++)
            for (int k = 0; k < count; k++)
                OF(blocks_add_sum)(all + k, of_blocks[2 * i + k]);
    }
    for (int k = 0; k < count; k++) sums[k] = OF(blocks_end_sum)(all + k);
}

/* ---- parts ------------------------------------------------------------------------- */

/* Return how many rows of n make a group. */
MG_INLINE int64_t OF(group)(int64_t rows, int64_t n)
{
    int64_t group = n < OF(PIECE) ? OF(PIECE) / (n ? n : 1) : 1;
    return rows < group ? rows : group;
}

/* Ask for the row that comes next while one is computed, if rows are long: the processor
 * foresees no more than a page. */
MG_INLINE void OF(fetch_row)(int64_t rows_left, int64_t n, const T *next)
{
    if (rows_left > 0 && n >= OF(PIECE) && n <= REDUCE_BLOCK) OF(fetch)(n, next);
}

/* Do something with the rows' length as a constant, where it is one of a few: a loop over
 * so few elements costs more than they do. */
#define FEW(n, action) \
    switch (n) { \
    case 2: action(2); \
    case 3: action(3); \
    case 4: action(4); \
    case 5: action(5); \
    case 6: action(6); \
    case 8: action(8); \
    case 10: action(10); \
    default: break; \
    }

/* y[r, i] = a[r, i] - c[r]; y's rows lie n apart. */
static NEVER_INLINE void OF(shift)(int64_t rows, int64_t n, const T *a, int64_t stride,
                                   const T *c, T *y)
{
#define SHIFT(N) \
    for (int64_t r = 0; r < rows; r++) \
        for (int i = 0; i < N; i++) y[r * N + i] = a[r * stride + i] - c[r]; \
    return
    FEW(n, SHIFT)
#undef SHIFT
    for (int64_t r = 0; r < rows; r++) {
        const T of_row = c[r];
        EACH for (int64_t i = 0; i < n; i++) y[r * n + i] = a[r * stride + i] - of_row;
    }
}

/* Tell whether quotients of n numbers, none negative, by c are made by multiplications:
 * where no remainder underflows. */
MG_INLINE bool OF(multiplies)(int64_t n, const T *y, T c)
{
    OF(bits) least = BITS((T)1);
    if (!MG_FMA_IS_FAST || !(c >= 1 && c <= (T)0x1p24)) return false;
    for (int64_t i = 0; i < n; i++) { /* 0 becomes the largest */
        OF(bits) size = BITS(y[i]) - 1;
        least = size < least ? size : least;
    }
    return least >= BITS(LEAST_DIVIDEND);
}

/* y[i] = y[i] / c. Multiplications take a third of the time: the first fused pair makes
 * the quotient or a neighbour of it, the second the quotient, as divisions round it
 * (Markstein, IBM J. Res. Dev. 34, 1990). */
static void OF(divide_row)(int64_t n, T *y, T c)
{
    if (!OF(multiplies)(n, y, c)) {
        EACH for (int64_t i = 0; i < n; i++) y[i] = y[i] / c;
        return;
    }
    const T inverse = 1 / c;
    EACH for (int64_t i = 0; i < n; i++)
    {
        const T x = y[i];
        T q = x * inverse;
        q = OF(fma)(OF(fma)(-q, c, x), inverse, q);
        y[i] = OF(fma)(OF(fma)(-q, c, x), inverse, q);
    }
}

static void OF(divide_block)(const OF(long_row) *row, int64_t first, int64_t n, T *sums)
{
    (void)sums;
    OF(divide_row)(n, row->y + first, row->c);
}

static void OF(divide_long)(int64_t n, T *y, T c)
{
    OF(long_row) row = {.compute = OF(divide_block), .n = n, .y = y, .c = c};
    OF(row_map)(row, 1.0);
}

/* y[r, i] = c[r]. */
static void OF(spread)(int64_t rows, int64_t n, const T *c, T *y)
{
#define SPREAD(N) \
    for (int64_t r = 0; r < rows; r++) \
        for (int i = 0; i < N; i++) y[r * N + i] = c[r]; \
    return
    FEW(n, SPREAD)
#undef SPREAD
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) y[r * n + i] = c[r];
}

/* y[r, i] = y[r, i] / c[r], none negative; the divisors of short rows are spread out, so
 * that divisions fill whole vectors. */
static void OF(divide)(int64_t rows, int64_t n, T *y, const T *c)
{
    T spread[OF(PIECE)];
    if (n > REDUCE_BLOCK) {
        for (int64_t r = 0; r < rows; r++) OF(divide_long)(n, y + r * n, c[r]);
        return;
    }
    if (n > SHORT_SPREAD) {
        for (int64_t r = 0; r < rows; r++) OF(divide_row)(n, y + r * n, c[r]);
        return;
    }
    OF(spread)(rows, n, c, spread);
    MAP(div)(rows * n, y, spread, y, 0.0, 0);
}

/* y[i] = f(a[i] - *c) for a block of one row, piece by piece; return the sum of these. Not
 * `kept`, y is room for one piece. */
static T OF(map_and_sum_block)(map_kernel f, int64_t n, const T *a, const T *c, T *y,
                               bool kept)
{
    _Alignas(CACHE_LINE) T shifted[OF(PIECE)]; /* f in place would copy once more */
    T lanes[LANES], sum;
    OF(start_sum)(lanes);
    for (int64_t i = 0; i < n; i += OF(PIECE)) {
        int64_t count = n - i < OF(PIECE) ? n - i : OF(PIECE);
        T *piece = kept ? y + i : y;
        OF(shift)(1, count, a + i, 0, c, shifted);
        f(count, shifted, NULL, piece, 0.0, 0);
        OF(fold_all_sum)(count, piece, lanes);
    }
    OF(join_rows_sum)(1, lanes, &sum);
    return sum;
}

static void OF(map_and_sum_part)(const OF(long_row) *row, int64_t first, int64_t n,
                                 T *sums)
{
    _Alignas(CACHE_LINE) T piece[OF(PIECE)];
    const bool kept = row->y != NULL;
    *sums = OF(map_and_sum_block)(row->f, n, row->a + first, &row->c,
                                  kept ? row->y + first : piece, kept);
}

/* y[r, i] = f(a[r, i] - c[r]), f of one operand, and sums[r] = the sum of these, of one
 * group. y's rows lie n apart, or y is room for one piece, and is lost (kept false). */
static void OF(map_and_sum)(map_kernel f, int64_t rows, int64_t n, const T *a,
                            int64_t stride, const T *c, T *y, bool kept, T *sums)
{
    if (n <= OF(PIECE)) {
        _Alignas(CACHE_LINE) T shifted[OF(PIECE)];
        OF(shift)(rows, n, a, stride, c, shifted);
        f(rows * n, shifted, NULL, y, 0.0, 0);
        OF(rows_sum)(rows, n, y, n, sums);
        return;
    }
    if (n <= REDUCE_BLOCK) {
        *sums = OF(map_and_sum_block)(f, n, a, c, y, kept);
        return;
    }
    OF(long_row) row = {.compute = OF(map_and_sum_part), .n = n, .a = a, .c = *c};
    row.f = f, row.y = kept ? y : NULL;
    OF(row_sums)(row, f == MAP(exp) ? 8.0 : 1.0, 1, sums);
}

/* The sums alone. */
static void OF(sums_of)(map_kernel f, int64_t rows, int64_t n, const T *a, int64_t stride,
                        const T *c, T *sums)
{
    _Alignas(CACHE_LINE) T piece[OF(PIECE)];
    OF(map_and_sum)(f, rows, n, a, stride, c, piece, false, sums);
}

/* turned[i, r] = element i of row r. */
static NEVER_INLINE void OF(turn_rows)(int64_t rows, int64_t n, const T *a,
                                       int64_t stride, T *turned)
{
#define TURN(N) \
    if (stride != N) break; \
    EACH for (int64_t r = 0; r < rows; r++) \
        for (int i = 0; i < N; i++) turned[i * rows + r] = a[r * N + i]; \
    return
    FEW(n, TURN)
#undef TURN
    OF(turn)(rows, n, a, stride, turned);
}

/* Element i of row r, y[r, i], is turned[i, r]. */
static NEVER_INLINE void OF(turn_back)(int64_t rows, int64_t n, const T *turned, T *y)
{
#define TURN(N) \
    EACH for (int64_t r = 0; r < rows; r++) \
        for (int i = 0; i < N; i++) y[r * N + i] = turned[i * rows + r]; \
    return
    FEW(n, TURN)
#undef TURN
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) y[r * n + i] = turned[i * rows + r];
}

/* Return how many rows of n make a group of which softmax is computed. */
MG_INLINE int64_t OF(softmax_group)(int64_t rows, int64_t n)
{
    if (n > SHORT_SOFTMAX) return OF(group)(rows, n);
    int64_t group = WHOLE_BLOCKS(OF(TURNED) / (n ? n : 1), OF(BLOCK));
    if (group > OF(COLUMNS)) group = OF(COLUMNS);
    return rows < group ? rows : group;
}

/* m[r] = the largest of row r, e[i, r] = exp(a[r, i] - m[r]), sums[r] = the sum of these,
 * of a group of short rows. Whole vectors are of one element of several rows. */
static NEVER_INLINE void OF(exps_turned)(int64_t rows, int64_t n, const T *a,
                                         int64_t stride, T *e, T *m, T *sums)
{
    _Alignas(CACHE_LINE) T turned[OF(TURNED)];
    OF(turn_rows)(rows, n, a, stride, turned);
    OF(columns_block_amax)(n, rows, turned, rows, m);
    for (T *x = turned; x < turned + n * rows; x += rows)
        EACH for (int64_t r = 0; r < rows; r++) x[r] = x[r] - m[r];
    MAP(exp)(rows * n, turned, NULL, e, 0.0, 0);
    OF(columns_block_sum)(n, rows, e, rows, sums);
}

/* m[r] = the largest of row r, sums[r] = sum of exp(a[r, i] - m[r]), of a group. */
MG_INLINE void OF(exp_sums)(int64_t rows, int64_t n, const T *a, int64_t stride, T *m,
                            T *sums)
{
    if (n <= SHORT_SOFTMAX) {
        _Alignas(CACHE_LINE) T e[OF(TURNED)];
        OF(exps_turned)(rows, n, a, stride, e, m, sums);
        return;
    }
    OF(rows_amax)(rows, n, a, stride, m);
    OF(sums_of)(MAP(exp), rows, n, a, stride, m, sums);
}

/* The sum of (a[i] - mean)^2 of a block. */
static void OF(squares_block)(const OF(long_row) *row, int64_t first, int64_t n, T *sums)
{
    const T *a = row->a + first, c = row->mean;
    const int64_t whole = WHOLE_BLOCKS(n, LANES);
    T lanes[LANES];
    OF(start_sum)(lanes);
    for (int64_t i = 0; i < whole; i += LANES)
        for (int l = 0; l < LANES; l++)
            lanes[l] = lanes[l] + (a[i + l] - c) * (a[i + l] - c);
    for (int64_t i = whole; i < n; i++)
        lanes[i - whole] = lanes[i - whole] + (a[i] - c) * (a[i] - c);
    OF(join_rows_sum)(1, lanes, sums);
}

/* squares[r] = the sum of (a[r, i] - c[r])^2, of one group. */
static void OF(squares)(int64_t rows, int64_t n, const T *a, int64_t stride, const T *c,
                        T *squares)
{
    if (n <= OF(PIECE)) {
        OF(sums_of)(MAP(square), rows, n, a, stride, c, squares);
        return;
    }
    OF(long_row) row = {.compute = OF(squares_block), .n = n, .a = a, .mean = *c};
    if (n > REDUCE_BLOCK)
        OF(row_sums)(row, 1.0, 1, squares);
    else
        OF(squares_block)(&row, 0, n, squares);
}

/* mean[r] of row r, squares[r] = sum of (a[r, i] - mean[r])^2. */
MG_INLINE void OF(moments)(int64_t rows, int64_t n, const T *a, int64_t stride, T *mean,
                           T *squares)
{
    OF(rows_sum)(rows, n, a, stride, mean);
    for (int64_t r = 0; r < rows; r++) mean[r] = mean[r] / (T)n;
    OF(squares)(rows, n, a, stride, mean, squares);
}

/* ---- softmax and its family -------------------------------------------------------- */

/* y[r, i] = e[i, r] / sums[r] */
static NEVER_INLINE void OF(divide_turned)(int64_t rows, int64_t n, const T *e,
                                           const T *sums, T *y)
{
    _Alignas(CACHE_LINE) T turned[OF(TURNED)];
    for (int64_t i = 0; i < n * rows; i += rows)
        EACH for (int64_t r = 0; r < rows; r++) turned[i + r] = e[i + r] / sums[r];
    OF(turn_back)(rows, n, turned, y);
}

/* exp(a - m) / sum of these. */
static void OF(softmax)(int64_t rows, int64_t n, const void *of_a, int64_t stride,
                        void *of_y)
{
    const T *a = of_a;
    T *y = of_y, m[OF(PIECE)], sums[OF(PIECE)];
    for (int64_t group; rows > 0; rows -= group, a += group * stride, y += group * n) {
        group = OF(softmax_group)(rows, n);
        OF(fetch_row)(rows - group, n, a + group * stride);
        if (n <= SHORT_SOFTMAX) {
            _Alignas(CACHE_LINE) T e[OF(TURNED)];
            OF(exps_turned)(group, n, a, stride, e, m, sums);
            OF(divide_turned)(group, n, e, sums, y);
            continue;
        }
        OF(rows_amax)(group, n, a, stride, m);
        OF(map_and_sum)(MAP(exp), group, n, a, stride, m, y, true, sums);
        OF(divide)(group, n, y, sums);
    }
}

/* y[i] = (a[i] - most) - less. */
MG_INLINE void OF(shift_twice)(int64_t n, const T *a, T most, T less, T *y)
{
    EACH for (int64_t i = 0; i < n; i++) y[i] = (a[i] - most) - less;
}

static void OF(shift_block)(const OF(long_row) *row, int64_t first, int64_t n, T *sums)
{
    (void)sums;
    OF(shift_twice)(n, row->a + first, row->mean, row->c, row->y + first);
}

static void OF(shift_long)(int64_t n, const T *a, T most, T less, T *y)
{
    OF(long_row) row = {.compute = OF(shift_block), .n = n, .a = a, .y = y};
    row.mean = most, row.c = less;
    OF(row_map)(row, 1.0);
}

/* (a - m) - log(sum of exp(a - m)). */
static void OF(log_softmax)(int64_t rows, int64_t n, const void *of_a, int64_t stride,
                            void *of_y)
{
    const T *a = of_a;
    T *y = of_y, m[OF(PIECE)], sums[OF(PIECE)];
    for (int64_t group; rows > 0; rows -= group, a += group * stride, y += group * n) {
        group = OF(softmax_group)(rows, n);
        OF(fetch_row)(rows - group, n, a + group * stride);
        OF(exp_sums)(group, n, a, stride, m, sums);
        MAP(log)(group, sums, NULL, sums, 0.0, 0);
        if (n > REDUCE_BLOCK) {
            OF(shift_long)(n, a, *m, *sums, y);
            continue;
        }
        for (int64_t r = 0; r < group; r++)
            OF(shift_twice)(n, a + r * stride, m[r], sums[r], y + r * n);
    }
}

/* y[r] = m[r] and log of sums[r]. */
static NEVER_INLINE void OF(log_pairs)(int64_t rows, const T *m, const T *sums, T *y)
{
    T logs[OF(PIECE)];
    MAP(log)(rows, sums, NULL, logs, 0.0, 0);
    for (int64_t r = 0; r < rows; r++) y[2 * r] = m[r], y[2 * r + 1] = logs[r];
}

/* m and log(sum of exp(a - m)), of which log_softmax and its losses are made. */
static void OF(log_sums)(int64_t rows, int64_t n, const void *of_a, int64_t stride,
                         void *of_y)
{
    const T *a = of_a;
    T *y = of_y, m[OF(PIECE)], sums[OF(PIECE)];
    for (int64_t group; rows > 0; rows -= group, a += group * stride, y += 2 * group) {
        group = OF(softmax_group)(rows, n);
        OF(fetch_row)(rows - group, n, a + group * stride);
        OF(exp_sums)(group, n, a, stride, m, sums);
        OF(log_pairs)(group, m, sums, y);
    }
}

/* The same, and what a gradient needs of it: exp(a - m), turned where rows are short, and
 * the sums of that. */
static void OF(log_sums_kept)(int64_t rows, int64_t n, const void *of_a, void *of_exps,
                              void *of_sums, void *of_y)
{
    const T *a = of_a;
    T *e = of_exps, *sums = of_sums, *y = of_y, m[OF(PIECE)];
    for (int64_t group; rows > 0; rows -= group) {
        group = OF(softmax_group)(rows, n);
        OF(fetch_row)(rows - group, n, a + group * n);
        if (n <= SHORT_SOFTMAX) {
            OF(exps_turned)(group, n, a, n, e, m, sums);
        } else {
            OF(rows_amax)(group, n, a, n, m);
            OF(map_and_sum)(MAP(exp), group, n, a, n, m, e, true, sums);
        }
        OF(log_pairs)(group, m, sums, y);
        a += group * n, e += group * n, sums += group, y += 2 * group;
    }
}

/* m + log(sum of exp(a - m)); m where it is infinite. */
static void OF(logsumexp)(int64_t rows, int64_t n, const void *of_a, int64_t stride,
                          void *of_y)
{
    const T *a = of_a;
    T *y = of_y, m[OF(PIECE)], sums[OF(PIECE)];
    for (int64_t group; rows > 0; rows -= group, a += group * stride, y += group) {
        group = OF(softmax_group)(rows, n);
        OF(fetch_row)(rows - group, n, a + group * stride);
        OF(exp_sums)(group, n, a, stride, m, sums);
        MAP(log)(group, sums, NULL, sums, 0.0, 0);
        for (int64_t r = 0; r < group; r++)
            y[r] = C(fabs)(m[r]) == (T)INFINITY ? m[r] : m[r] + sums[r];
    }
}

/* ---- what they pass on ------------------------------------------------------------- */

/* Return the sum of a[i] * b[i] of a block. */
static T OF(sum_of_products)(int64_t n, const T *a, const T *b)
{
    T lanes[LANES], sum;
    const int64_t whole = WHOLE_BLOCKS(n, LANES);
    OF(start_sum)(lanes);
    for (int64_t i = 0; i < whole; i += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] = lanes[l] + a[i + l] * b[i + l];
    for (int64_t i = whole; i < n; i++)
        lanes[i - whole] = lanes[i - whole] + a[i] * b[i];
    OF(join_rows_sum)(1, lanes, &sum);
    return sum;
}

static void OF(products_block)(const OF(long_row) *row, int64_t first, int64_t n, T *sums)
{
    *sums = OF(sum_of_products)(n, row->g + first, row->a + first);
}

/* out[i] = y[i] * (g[i] - sum). */
MG_INLINE void OF(softmax_row_back)(int64_t n, const T *y, const T *g, T sum, T *out)
{
    EACH for (int64_t i = 0; i < n; i++) out[i] = y[i] * (g[i] - sum);
}

static void OF(softmax_block_back)(const OF(long_row) *row, int64_t first, int64_t n,
                                   T *sums)
{
    (void)sums;
    OF(softmax_row_back)(n, row->a + first, row->g + first, row->c, row->y + first);
}

static void OF(softmax_long_back)(int64_t n, const T *y, const T *g, T *out)
{
    OF(long_row) row = {.compute = OF(products_block), .n = n, .a = y, .g = g};
    OF(row_sums)(row, 1.0, 1, &row.c);
    row.compute = OF(softmax_block_back), row.y = out;
    OF(row_map)(row, 1.0);
}

/* y * (g - sum of g * y). */
static void OF(softmax_back)(int64_t rows, int64_t n, const void *of_y, const void *of_g,
                             void *of_out)
{
    const T *y = of_y, *g = of_g;
    T *out = of_out, piece[OF(PIECE)], sums[OF(PIECE)];
    for (; n > REDUCE_BLOCK && rows > 0; rows--, y += n, g += n, out += n)
        OF(softmax_long_back)(n, y, g, out);
    for (int64_t group; rows > 0; rows -= group) {
        group = OF(group)(rows, n);
        if (n <= OF(PIECE)) {
            MAP(mul)(group * n, g, y, piece, 0.0, 0);
            OF(rows_sum)(group, n, piece, n, sums);
        } else {
            *sums = OF(sum_of_products)(n, g, y);
        }
        for (int64_t r = 0; r < group; r++, y += n, g += n, out += n)
            OF(softmax_row_back)(n, y, g, sums[r], out);
    }
}

/* out[i] = g[i] - exp(y[i]) * sum of a row of one block or of a block, piece by piece. */
static void OF(log_softmax_row_back)(int64_t n, const T *y, const T *g, T sum, T *out)
{
    _Alignas(CACHE_LINE) T share[OF(PIECE)];
    for (int64_t i = 0; i < n; i += OF(PIECE)) {
        const int64_t count = n - i < OF(PIECE) ? n - i : OF(PIECE);
        MAP(exp)(count, y + i, NULL, share, 0.0, 0);
        EACH for (int64_t j = 0; j < count; j++) out[i + j] = g[i + j] - share[j] * sum;
    }
}

static void OF(log_softmax_block_back)(const OF(long_row) *row, int64_t first, int64_t n,
                                       T *sums)
{
    (void)sums;
    OF(log_softmax_row_back)(n, row->a + first, row->g + first, row->c, row->y + first);
}

static void OF(log_softmax_long_back)(int64_t n, const T *y, const T *g, T sum, T *out)
{
    OF(long_row) row = {.compute = OF(log_softmax_block_back), .n = n, .a = y, .g = g};
    row.c = sum, row.y = out;
    OF(row_map)(row, 8.0);
}

/* g - exp(y) * sum of g. */
static void OF(log_softmax_back)(int64_t rows, int64_t n, const void *of_y,
                                 const void *of_g, void *of_out)
{
    const T *y = of_y, *g = of_g;
    T *out = of_out, piece[OF(PIECE)], sums[OF(PIECE)];
    for (int64_t group; rows > 0; rows -= group) {
        group = OF(group)(rows, n);
        OF(rows_sum)(group, n, g, n, sums);
        if (n <= OF(PIECE)) MAP(exp)(group * n, y, NULL, piece, 0.0, 0);
        for (int64_t r = 0; r < group; r++, y += n, g += n, out += n) {
            const T sum = sums[r], *share = piece + r * n;
            if (n > REDUCE_BLOCK)
                OF(log_softmax_long_back)(n, y, g, sum, out);
            else if (n > OF(PIECE))
                OF(log_softmax_row_back)(n, y, g, sum, out);
            else
                EACH for (int64_t i = 0; i < n; i++) out[i] = g[i] - share[i] * sum;
        }
    }
}

/* y[i] = (y[i] - even) * weight. */
MG_INLINE void OF(weigh)(int64_t n, T even, T weight, T *y)
{
#define WEIGH(N) \
    for (int i = 0; i < N; i++) y[i] = (y[i] - even) * weight; \
    return
    FEW(n, WEIGH)
#undef WEIGH
    EACH for (int64_t i = 0; i < n; i++) y[i] = (y[i] - even) * weight;
}

static void OF(weigh_block)(const OF(long_row) *row, int64_t first, int64_t n, T *sums)
{
    (void)sums;
    OF(weigh)(n, row->mean, row->scale, row->y + first);
}

static void OF(weigh_long)(int64_t n, T even, T weight, T *y)
{
    OF(long_row) row = {.compute = OF(weigh_block), .n = n, .y = y};
    row.mean = even, row.scale = weight;
    OF(row_map)(row, 1.0);
}

/* What is common to the rows of cross_entropy_back(): softmax is expected to be `here` at
 * the target and `even` elsewhere. */
typedef struct OF(expected) {
    T here, even;
    int64_t ignored;
} OF(expected);

/* The gradient of a group of short rows, of e[i, r] and their sums. */
static NEVER_INLINE void OF(short_rows_back)(OF(expected) of, int64_t rows, int64_t n,
                                             const T *e, const T *sums,
                                             const int64_t *targets, const T *weights,
                                             T *y)
{
    _Alignas(CACHE_LINE) T turned[OF(TURNED)];
    OF(index) places[OF(COLUMNS)];
    EACH for (int64_t r = 0; r < rows; r++)
        places[r] = targets[r] == of.ignored ? -1 : (OF(index))targets[r];
    for (OF(index) i = 0; i < (OF(index))n; i++) {
        const T *e_i = e + i * rows;
        T *y_i = turned + i * rows;
        EACH for (int64_t r = 0; r < rows; r++)
        {
            const T wanted = places[r] == i ? of.here : of.even;
            const T g = (e_i[r] / sums[r] - wanted) * weights[r];
            y_i[r] = places[r] < 0 ? 0 : g;
        }
    }
    OF(turn_back)(rows, n, turned, y);
}

/* The gradient of a group, of which y is the softmax. */
static void OF(long_rows_back)(OF(expected) of, int64_t rows, int64_t n,
                               const int64_t *targets, const T *weights, T *y)
{
    for (int64_t r = 0; r < rows; r++, targets++, weights++, y += n) {
        const T weight = *weights;
        if (*targets == of.ignored) {
            memset(y, 0, (size_t)n * sizeof(T));
            continue;
        }
        const T at_target = (y[*targets] - of.here) * weight;
        if (n > REDUCE_BLOCK)
            OF(weigh_long)(n, of.even, weight, y);
        else
            OF(weigh)(n, of.even, weight, y);
        y[*targets] = at_target;
    }
}

static void OF(cross_entropy_back)(int64_t rows, int64_t n, const void *of_a,
                                   const void *of_exps, const void *of_sums,
                                   const int64_t *targets, int64_t ignored,
                                   double smoothing, const void *of_weights, void *of_out)
{
    const T *a = of_a, *exps = of_exps, *sums = of_sums, *weights = of_weights;
    const T even = (T)smoothing / (T)n, here = even + ((T)1 - (T)smoothing);
    const OF(expected) of = {here, even, ignored};
    T *y = of_out;
    for (int64_t group; rows > 0; rows -= group) {
        group = OF(softmax_group)(rows, n);
        if (n <= SHORT_SOFTMAX) {
            _Alignas(CACHE_LINE) T own[OF(TURNED)], m[OF(COLUMNS)], own_sums[OF(COLUMNS)];
            if (!exps) OF(exps_turned)(group, n, a, n, own, m, own_sums);
            OF(short_rows_back)(of, group, n, exps ? exps : own, exps ? sums : own_sums,
                                targets, weights, y);
        } else {
            if (!exps) OF(softmax)(group, n, a, n, y);
            if (exps) memcpy(y, exps, (size_t)(group * n) * sizeof(T));
            if (exps) OF(divide)(group, n, y, sums);
            OF(long_rows_back)(of, group, n, targets, weights, y);
        }
        if (exps) exps += group * n, sums += group;
        a += group * n, y += group * n, targets += group, weights += group;
    }
}

/* ---- variance, norms --------------------------------------------------------------- */

/* sums[0] = the sum of a[i] * by - mean of a block, sums[1] that of their squares. */
static void OF(scaled_block)(const OF(long_row) *row, int64_t first, int64_t n, T *sums)
{
    _Alignas(CACHE_LINE) T shifted[OF(PIECE)], square[OF(PIECE)];
    T lanes[2 * LANES];
    const T *a = row->a + first;
    OF(start_sum)(lanes), OF(start_sum)(lanes + LANES);
    for (int64_t i = 0; i < n; i += OF(PIECE)) {
        const int64_t count = n - i < OF(PIECE) ? n - i : OF(PIECE);
        EACH for (int64_t j = 0; j < count; j++)
        {
            shifted[j] = a[i + j] * row->by - row->mean;
            square[j] = shifted[j] * shifted[j];
        }
        OF(fold_all_sum)(count, shifted, lanes);
        OF(fold_all_sum)(count, square, lanes + LANES);
    }
    OF(join_rows_sum)(2, lanes, sums);
}

/* Return the sum of a[i] * scale - mean, or of their squares. */
static T OF(sum_scaled)(int64_t n, const T *a, T scale, T mean, bool squares)
{
    OF(long_row) row = {.compute = OF(scaled_block), .n = n, .a = a};
    T sums[2];
    row.by = scale, row.mean = mean;
    OF(row_sums)(row, 1.0, 2, sums);
    return sums[squares];
}

/* Return 1, or 2^-k, by which a row is multiplied before squares are added up, lest these
 * leave the range: k is the exponent of its largest element, or of `least`, if that is
 * larger. `sum` is the sum of squares of the row as it is. */
static T OF(range_scale)(int64_t n, const T *a, T least, T sum)
{
    T most, low;
    if (sum >= LEAST_SQUARES && sum < (T)INFINITY) return 1;
    OF(rows_amax)(1, n, a, n, &most);
    OF(rows_amin)(1, n, a, n, &low);
    most = LARGER(LARGER(most, -low), least);
    return most > 0 && most < (T)INFINITY ? OF(inverse_power)(most) : 1;
}

/* Make the variance of a row, or its root, of the row scaled, if its squares left the
 * range. */
static T OF(variance_of)(int64_t n, const T *a, T squares, T divisor, bool root)
{
    const T scale = OF(range_scale)(n, a, 0, squares);
    if (scale != 1) {
        T mean = OF(sum_scaled)(n, a, scale, 0, false) / (T)n;
        squares = OF(sum_scaled)(n, a, scale, mean, true);
    }
    T y = squares / divisor;
    return root ? C(sqrt)(y) / scale : y / scale / scale;
}

static void OF(variance)(int64_t rows, int64_t n, const void *of_a, int64_t stride,
                         double correction, bool root, void *of_y)
{
    const T *a = of_a;
    T *y = of_y, mean[OF(PIECE)], squares[OF(PIECE)];
    T freedom = (T)n - (T)correction, divisor = freedom > 0 ? freedom : 0;
    for (int64_t group; rows > 0; rows -= group, a += group * stride, y += group) {
        group = OF(group)(rows, n);
        OF(moments)(group, n, a, stride, mean, squares);
        for (int64_t r = 0; r < group; r++)
            y[r] = OF(variance_of)(n, a + r * stride, squares[r], divisor, root);
    }
}

/* Weight and bias of norms, or NULL: `period` rows of them, in turn, number `turn` for the
 * first row of all. */
typedef struct OF(norm_turns) {
    const T *weight, *bias;
    int64_t turn, period;
} OF(norm_turns);

/* Return what stands for the row r in `rows`, of n elements. */
MG_INLINE const T *OF(in_turn)(const OF(norm_turns) *of, const T *rows, int64_t r,
                               int64_t n)
{
    return rows && of->period > 1 ? rows + (of->turn + r) % of->period * n : rows;
}

/* y[i] = ((a[i] * b - m) * s) * weight[i] + bias[i]. */
MG_INLINE void OF(normalize_row)(int64_t n, const T *a, T b, T m, T s, const T *weight,
                                 const T *bias, T *y)
{
    if (weight && bias) {
        EACH for (int64_t i = 0; i < n; i++)
            y[i] = (a[i] * b - m) * s * weight[i] + bias[i];
    } else if (weight) {
        EACH for (int64_t i = 0; i < n; i++) y[i] = (a[i] * b - m) * s * weight[i];
    } else if (bias) {
        EACH for (int64_t i = 0; i < n; i++) y[i] = (a[i] * b - m) * s + bias[i];
    } else {
        EACH for (int64_t i = 0; i < n; i++) y[i] = (a[i] * b - m) * s;
    }
}

static void OF(normalize_block)(const OF(long_row) *row, int64_t first, int64_t n,
                                T *sums)
{
    (void)sums;
    OF(normalize_row)(n, row->a + first, row->by, row->mean, row->scale,
                      row->weight ? row->weight + first : NULL,
                      row->bias ? row->bias + first : NULL, row->y + first);
}

static void OF(normalize)(int64_t rows, int64_t n, const T *a, const T *by, const T *mean,
                          const T *scale, const OF(norm_turns) *turns, T *y)
{
    for (int64_t r = 0; r < rows; r++, a += n, y += n) {
        OF(long_row) row = {.compute = OF(normalize_block), .n = n, .a = a, .y = y};
        row.by = by[r], row.mean = mean[r], row.scale = scale[r];
        row.weight = OF(in_turn)(turns, turns->weight, r, n);
        row.bias = OF(in_turn)(turns, turns->bias, r, n);
        if (n <= REDUCE_BLOCK)
            OF(normalize_block)(&row, 0, n, NULL);
        else
            OF(row_map)(row, 1.0);
    }
}

/* Return the mean of squares of a row plus epsilon, given their sum; where they leave the
 * range, of the row multiplied by *by. */
static T OF(mean_square)(int64_t n, const T *a, bool centered, T epsilon, T squares,
                         T *by, T *mean)
{
    T value = squares / (T)n + epsilon;
    *by = OF(range_scale)(n, a, C(sqrt)(epsilon), value);
    if (*by == 1) return value;
    *mean = centered ? OF(sum_scaled)(n, a, *by, 0, false) / (T)n : 0;
    squares = OF(sum_scaled)(n, a, *by, *mean, true);
    return squares / (T)n + epsilon * *by * *by;
}

static void OF(norm_scales)(int64_t rows, int64_t n, const void *of_a, bool centered,
                            double epsilon, void *of_by, void *of_mean, void *of_scale)
{
    const T *a = of_a;
    T *by = of_by, *mean = of_mean, *scale = of_scale;
    for (int64_t group; rows > 0; rows -= group, a += group * n) {
        group = OF(group)(rows, n);
        for (int64_t r = 0; r < group; r++) mean[r] = 0;
        if (centered)
            OF(moments)(group, n, a, n, mean, scale);
        else
            OF(squares)(group, n, a, n, mean, scale); /* a - 0 is a */
        for (int64_t r = 0; r < group; r++)
            scale[r] = OF(mean_square)(n, a + r * n, centered, (T)epsilon, scale[r], by + r,
                                       mean + r);
        for (int64_t r = 0; r < group; r++) scale[r] = 1 / C(sqrt)(scale[r]);
        by += group, mean += group, scale += group;
    }
}

static void OF(norm)(int64_t rows, int64_t n, const T *a, bool centered,
                     OF(norm_turns) turns, double epsilon, T *y)
{
    T by[OF(PIECE)], mean[OF(PIECE)], scale[OF(PIECE)];
    for (int64_t group; rows > 0; rows -= group, a += group * n, y += group * n) {
        group = OF(group)(rows, n);
        OF(norm_scales)(group, n, a, centered, epsilon, by, mean, scale);
        OF(normalize)(group, n, a, by, mean, scale, &turns, y);
        turns.turn += group;
    }
}

static void OF(layer_norm)(int64_t rows, int64_t n, const void *a, const void *weight,
                           const void *bias, int64_t turn, int64_t period,
                           double epsilon, void *y)
{
    OF(norm)(rows, n, a, true, (OF(norm_turns)){weight, bias, turn, period}, epsilon, y);
}

static void OF(rms_norm)(int64_t rows, int64_t n, const void *a, const void *weight,
                         double epsilon, void *y)
{
    OF(norm)(rows, n, a, false, (OF(norm_turns)){weight, NULL, 0, 1}, epsilon, y);
}

/* ---- what norms pass on ------------------------------------------------------------ */

/* h[i] = g[i] * weight[i], p[i] = h[i] * x[i], x normalized. */
MG_INLINE void OF(norm_parts)(int64_t n, const T *a, const T *g, const T *weight, T by,
                              T mean, T scale, T *h, T *p)
{
    EACH for (int64_t i = 0; i < n; i++)
    {
        h[i] = weight ? g[i] * weight[i] : g[i];
        p[i] = h[i] * ((a[i] * by - mean) * scale);
    }
}

/* Add h and p of n elements, LANES at most, to lanes of each. */
MG_INLINE void OF(norm_lanes_add)(int n, const T *a, const T *g, const T *weight, T by,
                                  T mean, T scale, T *lanes_h, T *lanes_p)
{
    for (int l = 0; l < n; l++) {
        const T h = weight ? g[l] * weight[l] : g[l];
        lanes_h[l] = lanes_h[l] + h;
        lanes_p[l] = lanes_p[l] + h * ((a[l] * by - mean) * scale);
    }
}

/* The sums of h and of p of a block. */
static void OF(norm_sums)(const OF(long_row) *row, int64_t first, int64_t n, T *sums)
{
    const T *a = row->a + first, *g = row->g + first;
    const T *weight = row->weight ? row->weight + first : NULL;
    const T by = row->by, mean = row->mean, scale = row->scale;
    const int64_t whole = WHOLE_BLOCKS(n, LANES);
    T lanes[2 * LANES], lanes_h[LANES], lanes_p[LANES];
    OF(start_sum)(lanes_h), OF(start_sum)(lanes_p);
    if (weight)
        for (int64_t i = 0; i < whole; i += LANES)
            OF(norm_lanes_add)(LANES, a + i, g + i, weight + i, by, mean, scale, lanes_h,
                               lanes_p);
    else
        for (int64_t i = 0; i < whole; i += LANES)
            OF(norm_lanes_add)(LANES, a + i, g + i, NULL, by, mean, scale, lanes_h,
                               lanes_p);
    OF(norm_lanes_add)((int)(n - whole), a + whole, g + whole,
                       weight ? weight + whole : NULL, by, mean, scale, lanes_h, lanes_p);
    memcpy(lanes, lanes_h, sizeof lanes_h), memcpy(lanes + LANES, lanes_p, sizeof lanes_p);
    OF(join_rows_sum)(2, lanes, sums);
}

/* out[i] = (scale * by) * ((h[i] - of_h) - x[i] * of_p). */
static void OF(norm_row_back)(int64_t n, const T *a, const T *g, const T *weight, T by,
                              T mean, T scale, T of_h, T of_p, T *out)
{
    const T slope = scale * by;
    EACH for (int64_t i = 0; i < n; i++)
    {
        const T h = weight ? g[i] * weight[i] : g[i];
        out[i] = slope * ((h - of_h) - ((a[i] * by - mean) * scale) * of_p);
    }
}

static void OF(norm_block_back)(const OF(long_row) *row, int64_t first, int64_t n,
                                T *sums)
{
    (void)sums;
    OF(norm_row_back)(n, row->a + first, row->g + first,
                      row->weight ? row->weight + first : NULL, row->by, row->mean,
                      row->scale, row->of_h, row->of_p, row->y + first);
}

enum { OF(NORM_ROWS) = 32 }; /* of a group at most, whose numbers lie on the stack */

/* What norms know of the rows of a group; the means of h, or 0, and of p. */
typedef struct OF(norm_rows) {
    T by[OF(NORM_ROWS)], mean[OF(NORM_ROWS)], scale[OF(NORM_ROWS)];
    T of_h[OF(NORM_ROWS)], of_p[OF(NORM_ROWS)];
} OF(norm_rows);

/* Return row r of a group, what is known of it included. */
MG_INLINE OF(long_row) OF(norm_row)(int64_t r, int64_t n, const T *a, const T *g,
                                    const OF(norm_turns) *turns, const OF(norm_rows) *of)
{
    OF(long_row) row = {.n = n, .a = a + r * n, .g = g + r * n};
    row.weight = OF(in_turn)(turns, turns->weight, r, n);
    row.by = of->by[r], row.mean = of->mean[r], row.scale = of->scale[r];
    row.of_h = of->of_h[r], row.of_p = of->of_p[r];
    return row;
}

/* The sums of h and of p of a row longer than a piece. */
static void OF(norm_long_sums)(OF(long_row) row, T *sum_h, T *sum_p)
{
    T sums[2];
    row.compute = OF(norm_sums);
    if (row.n > REDUCE_BLOCK)
        OF(row_sums)(row, 2.0, 2, sums);
    else
        OF(norm_sums)(&row, 0, row.n, sums);
    *sum_h = sums[0], *sum_p = sums[1];
}

/* Find what norms know of the rows of a group; returns how many there are. */
static int64_t OF(norm_group)(int64_t rows, int64_t n, const T *a, const T *g,
                              const OF(norm_turns) *turns, bool centered, double epsilon,
                              OF(norm_rows) *of)
{
    enum { ROWS = OF(NORM_ROWS) };
    _Alignas(CACHE_LINE) T h[OF(PIECE)], p[OF(PIECE)];
    const int64_t group = OF(group)(rows < ROWS ? rows : ROWS, n);
    OF(norm_scales)(group, n, a, centered, epsilon, of->by, of->mean, of->scale);
    if (n > OF(PIECE)) {
        of->of_h[0] = of->of_p[0] = 0;
        OF(norm_long_sums)(OF(norm_row)(0, n, a, g, turns, of), of->of_h, of->of_p);
    } else {
        for (int64_t r = 0; r < group; r++)
            OF(norm_parts)(n, a + r * n, g + r * n, OF(in_turn)(turns, turns->weight, r, n),
                           of->by[r], of->mean[r], of->scale[r], h + r * n, p + r * n);
        OF(rows_sum)(group, n, h, n, of->of_h);
        OF(rows_sum)(group, n, p, n, of->of_p);
    }
    for (int64_t r = 0; r < group; r++) {
        of->of_h[r] = centered ? of->of_h[r] / (T)n : 0;
        of->of_p[r] = of->of_p[r] / (T)n;
    }
    return group;
}

static void OF(norm_back)(int64_t rows, int64_t n, const void *of_a, const void *of_g,
                          const void *of_weight, int64_t turn, int64_t period,
                          bool centered, double epsilon, void *of_out)
{
    const T *a = of_a, *g = of_g;
    T *out = of_out;
    OF(norm_turns) turns = {of_weight, NULL, turn, period};
    OF(norm_rows) of;
    for (int64_t group; rows > 0; rows -= group, a += group * n, g += group * n) {
        group = OF(norm_group)(rows, n, a, g, &turns, centered, epsilon, &of);
        for (int64_t r = 0; r < group; r++, out += n) {
            OF(long_row) row = OF(norm_row)(r, n, a, g, &turns, &of);
            row.compute = OF(norm_block_back), row.y = out;
            if (n > OF(PIECE))
                OF(row_map)(row, 2.0);
            else
                OF(norm_block_back)(&row, 0, n, NULL);
        }
        turns.turn += group;
    }
}

/* Add g * x of row i, x normalized, to its lane of columns. */
MG_INLINE void OF(norm_lane_add)(int64_t i, int64_t columns, const T *a, const T *g, T by,
                                 T mean, T scale, T *lanes)
{
    T *lane = lanes + i % LANES * columns;
    if (i < LANES) {
        EACH for (int64_t j = 0; j < columns; j++)
            lane[j] = 0 + g[j] * ((a[j] * by - mean) * scale);
    } else {
        EACH for (int64_t j = 0; j < columns; j++)
            lane[j] = lane[j] + g[j] * ((a[j] * by - mean) * scale);
    }
}

/* The same of a block of rows at most. Lanes of all columns lie in the second cache while
 * rows are read one after the other. */
static void OF(norm_weight_block)(int64_t rows, int64_t columns, const T *a, const T *g,
                                  int64_t stride, const T *by, const T *mean,
                                  const T *scale, T *lanes, T *y)
{
    for (int64_t i = 0; i < rows; i++, a += stride, g += stride)
        OF(norm_lane_add)(i, columns, a, g, by[i], mean[i], scale[i], lanes);
    OF(join_columns_sum)(rows < LANES ? rows : LANES, columns, lanes, y);
}

static void OF(norm_weight)(int64_t rows, int64_t columns, const void *of_a,
                            const void *of_g, int64_t stride, const void *of_by,
                            const void *of_mean, const void *of_scale, void *of_lanes,
                            void *of_y)
{
    const T *a = of_a, *g = of_g, *by = of_by, *mean = of_mean, *scale = of_scale;
    T *y = of_y, *lanes = of_lanes, *of_blocks = lanes + LANES * columns;
    int64_t counts[REDUCE_LEVELS] = {0};
    for (int64_t i = 0; i < rows; i += REDUCE_BLOCK) {
        const int64_t count = rows - i < REDUCE_BLOCK ? rows - i : REDUCE_BLOCK;
        OF(norm_weight_block)(count, columns, a + i * stride, g + i * stride, stride,
                              by + i, mean + i, scale + i, lanes, y);
        if (rows > REDUCE_BLOCK) OF(columns_add_sum)(counts, columns, of_blocks, y);
    }
    if (rows > REDUCE_BLOCK)
        OF(columns_end_sum)(OF(levels_of_sum)(rows), counts, columns, of_blocks, y);
}

/* What row i of a block passes on: to a; to a lane of the weight, g * x; of the bias, g. */
MG_INLINE void OF(norm_row_all_back)(const OF(long_row) *row, bool start, T *out,
                                     T *lane_w, T *lane_b)
{
    const T *a = row->a, *g = row->g, *weight = row->weight;
    const T by = row->by, mean = row->mean, scale = row->scale;
    const T of_h = row->of_h, of_p = row->of_p, slope = scale * by;
    EACH for (int64_t j = 0; j < row->n; j++)
    {
        const T x = (a[j] * by - mean) * scale;
        out[j] = slope * ((g[j] * weight[j] - of_h) - x * of_p);
        lane_w[j] = (start ? 0 : lane_w[j]) + g[j] * x;
        lane_b[j] = (start ? 0 : lane_b[j]) + g[j];
    }
}

/* What a block of rows at most passes on to all operands. lanes: those of the weight, and
 * those of the bias. Rows that come next are fetched while this one is computed. */
static void OF(norm_all_block)(int64_t rows, int64_t n, const T *a, const T *g,
                               const OF(norm_turns) *turns, bool centered, double epsilon,
                               T *lanes, T *out)
{
    OF(norm_rows) of;
    T *of_bias = lanes + LANES * n;
    for (int64_t i = 0, group; i < rows; i += group, a += group * n, g += group * n) {
        group = OF(norm_group)(rows - i, n, a, g, turns, centered, epsilon, &of);
        OF(fetch_row)(rows - i - group, n, a + group * n);
        OF(fetch_row)(rows - i - group, n, g + group * n);
        for (int64_t r = 0; r < group; r++, out += n) {
            const int64_t lane = (i + r) % LANES * n;
            const OF(long_row) row = OF(norm_row)(r, n, a, g, turns, &of);
            if (i + r < LANES)
                OF(norm_row_all_back)(&row, true, out, lanes + lane, of_bias + lane);
            else
                OF(norm_row_all_back)(&row, false, out, lanes + lane, of_bias + lane);
        }
    }
}

static void OF(norm_all_back)(int64_t rows, int64_t n, const void *of_a, const void *of_g,
                              const void *of_weight, bool centered, double epsilon,
                              void *of_lanes, void *of_out, void *of_y, void *of_bias)
{
    const OF(norm_turns) turns = {of_weight, NULL, 0, 1};
    const T *a = of_a, *g = of_g;
    T *lanes = of_lanes, *blocks[2], *out = of_out, *y[2] = {of_y, of_bias};
    int64_t counts[2][REDUCE_LEVELS] = {{0}};
    for (int k = 0; k < 2; k++)
        blocks[k] = lanes + (2 * LANES + k * (NORM_LANES - LANES)) * n;
    for (int64_t i = 0; i < rows; i += REDUCE_BLOCK) {
        const int64_t count = rows - i < REDUCE_BLOCK ? rows - i : REDUCE_BLOCK;
        const int64_t used = count < LANES ? count : LANES;
        OF(norm_all_block)(count, n, a + i * n, g + i * n, &turns, centered, epsilon,
                           lanes, out + i * n);
        for (int k = 0; k < 2; k++) {
            OF(join_columns_sum)(used, n, lanes + k * LANES * n, y[k]);
            if (rows > REDUCE_BLOCK) OF(columns_add_sum)(counts[k], n, blocks[k], y[k]);
        }
    }
    for (int k = 0; k < 2 && rows > REDUCE_BLOCK; k++)
        OF(columns_end_sum)(OF(levels_of_sum)(rows), counts[k], n, blocks[k], y[k]);
}

/* The sum of g * x of a block, x normalized. */
static void OF(norm_products_block)(const OF(long_row) *row, int64_t first, int64_t n,
                                    T *sums)
{
    const T *a = row->a + first, *g = row->g + first;
    const T by = row->by, mean = row->mean, scale = row->scale;
    const int64_t whole = WHOLE_BLOCKS(n, LANES);
    T lanes[LANES];
    OF(start_sum)(lanes);
    for (int64_t i = 0; i < whole; i += LANES)
        for (int l = 0; l < LANES; l++)
            lanes[l] = lanes[l] + g[i + l] * ((a[i + l] * by - mean) * scale);
    for (int64_t i = whole; i < n; i++)
        lanes[i - whole] = lanes[i - whole] + g[i] * ((a[i] * by - mean) * scale);
    OF(join_rows_sum)(1, lanes, sums);
}

static void OF(norm_products)(int64_t rows, int64_t n, const void *of_a, const void *of_g,
                              int64_t per, const void *of_by, const void *of_mean,
                              const void *of_scale, void *of_y)
{
    const T *a = of_a, *g = of_g, *by = of_by, *mean = of_mean, *scale = of_scale;
    T *y = of_y;
    for (int64_t r = 0; r < rows; r++, a += n, g += n) {
        OF(long_row) row = {.compute = OF(norm_products_block), .n = n, .a = a, .g = g};
        row.by = by[r / per], row.mean = mean[r / per], row.scale = scale[r / per];
        if (n > REDUCE_BLOCK)
            OF(row_sums)(row, 2.0, 1, y + r);
        else
            OF(norm_products_block)(&row, 0, n, y + r);
    }
}

/* ---- planes ------------------------------------------------------------------------ */

/* The sum of g[i] * (a[i] - mean) of a block. */
static void OF(plane_block)(const OF(long_row) *row, int64_t first, int64_t n, T *sums)
{
    const T *a = row->a + first, *g = row->g + first, c = row->mean;
    const int64_t whole = WHOLE_BLOCKS(n, LANES);
    T lanes[LANES];
    OF(start_sum)(lanes);
    for (int64_t i = 0; i < whole; i += LANES)
        for (int l = 0; l < LANES; l++)
            lanes[l] = lanes[l] + g[i + l] * (a[i + l] - c);
    for (int64_t i = whole; i < n; i++)
        lanes[i - whole] = lanes[i - whole] + g[i] * (a[i] - c);
    OF(join_rows_sum)(1, lanes, sums);
}

static void OF(plane_sums)(int64_t rows, int64_t n, const void *of_a, const void *of_g,
                           const void *of_c, int64_t channels, void *of_y)
{
    const T *a = of_a, *g = of_g, *c = of_c;
    T *y = of_y;
    for (int64_t r = 0, k = 0; r < rows; r++, k = k + 1 < channels ? k + 1 : 0, a += n) {
        OF(long_row) row = {.compute = OF(squares_block), .n = n, .a = a, .mean = c[k]};
        if (g) row.compute = OF(plane_block), row.g = g + r * n;
        if (n > REDUCE_BLOCK)
            OF(row_sums)(row, 2.0, 1, y + r);
        else
            row.compute(&row, 0, n, y + r);
    }
}

static void OF(plane_scale)(int64_t rows, int64_t n, const void *of_a, const void *of_c,
                            const void *of_scale, const void *of_bias, int64_t channels,
                            void *of_y)
{
    const T *a = of_a, *c = of_c, *scale = of_scale, *bias = of_bias;
    T *y = of_y;
    for (int64_t r = 0, k = 0; r < rows; r++, k = k + 1 < channels ? k + 1 : 0) {
        const T m = c[k], s = scale[k], b = bias ? bias[k] : 0;
        if (bias) {
            EACH for (int64_t i = 0; i < n; i++) y[i] = (a[i] - m) * s + b;
        } else {
            EACH for (int64_t i = 0; i < n; i++) y[i] = (a[i] - m) * s;
        }
        a += n, y += n;
    }
}

static void OF(plane_back)(int64_t rows, int64_t n, const void *of_a, const void *of_g,
                           const void *of_c, const void *of_share, const void *of_less,
                           const void *of_scale, int64_t channels, void *of_out)
{
    const T *a = of_a, *g = of_g, *c = of_c, *share = of_share, *less = of_less;
    const T *scale = of_scale;
    T *out = of_out;
    for (int64_t r = 0, k = 0; r < rows; r++, k = k + 1 < channels ? k + 1 : 0) {
        const T m = c[k], part = share[k], slope = less[k], s = scale[k];
        EACH for (int64_t i = 0; i < n; i++)
            out[i] = ((g[i] - part) - (a[i] - m) * slope) * s;
        a += n, g += n, out += n;
    }
}

/* ---- lines ------------------------------------------------------------------------- */

static void OF(lines_copy)(int64_t lines, int64_t n, const void *a, int64_t line, void *y)
{
    enum { STEP = 64, HALF = 16 };
    const char *from = a;
    char *to = y;
    const int64_t size = n * (int64_t)sizeof(T);
    for (; lines > 0; lines--, from += line * (int64_t)sizeof(T), to += size) {
        int64_t i = 0;
        for (; i + STEP <= size; i += STEP) memcpy(to + i, from + i, STEP);
        for (; i + HALF <= size; i += HALF) memcpy(to + i, from + i, HALF);
        for (; i < size; i += (int64_t)sizeof(T)) memcpy(to + i, from + i, sizeof(T));
    }
}

static void OF(lines_add)(int64_t lines, int64_t n, const void *a, void *y, int64_t line)
{
    const T *from = a;
    T *to = y;
    for (; lines > 0; lines--, from += n, to += line)
        EACH for (int64_t i = 0; i < n; i++) to[i] = to[i] + from[i];
}

#undef FEW
