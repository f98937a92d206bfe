/* lanes.inc.c: one reduction of elements of T. The includer defines its name REDUCTION,
 * START and JOIN(m, v). */

#define NAME(part) PASTE(PASTE(part, REDUCTION), TYPE)

/* Fold `width` of every LANES elements, n in all, a multiple of LANES. `lanes` must be a
 * local array of the caller: then compilers know that a is elsewhere. */
MG_INLINE void NAME(fold)(int64_t n, const T *a, int width, T *lanes)
{
    for (int64_t i = 0; i < n; i += LANES)
        for (int l = 0; l < width; l++) lanes[l] = JOIN(lanes[l], a[i + l]);
}

/* The same for lanes anywhere. */
MG_INLINE void NAME(fold_into)(int64_t n, const T *a, int width, T *lanes)
{
    T m[LANES];
    for (int l = 0; l < width; l++) m[l] = lanes[l];
    NAME(fold)(n, a, width, m);
    for (int l = 0; l < width; l++) lanes[l] = m[l];
}

static void NAME(lanes)(int64_t n, const void *of_a, int from, int to, void *of_lanes)
{
    const T *a = of_a;
    T *lanes = of_lanes;
    int64_t whole = WHOLE_BLOCKS(n, LANES);
    int l = from;
    for (; to - l >= LANES; l += LANES) NAME(fold_into)(whole, a + l, LANES, lanes + l);
    for (; to - l >= 16; l += 16) NAME(fold_into)(whole, a + l, 16, lanes + l);
    for (; to - l >= 8; l += 8) NAME(fold_into)(whole, a + l, 8, lanes + l);
    for (; l < to; l++) NAME(fold_into)(whole, a + l, 1, lanes + l);
    for (l = from; l < to && whole + l < n; l++) lanes[l] = JOIN(lanes[l], a[whole + l]);
}

/* Join the lanes of some rows. The loops go over rows and write to memory all the time:
 * otherwise compilers take lanes for single numbers. */
static void NAME(join_rows)(int64_t rows, T *lanes, T *y)
{
    const int64_t end = rows * LANES;
    for (int64_t r = 0; r < end; r += LANES)
        for (int l = 0; l < 16; l++) lanes[r + l] = JOIN(lanes[r + l], lanes[r + l + 16]);
    for (int64_t r = 0; r < end; r += LANES)
        for (int l = 0; l < 8; l++) lanes[r + l] = JOIN(lanes[r + l], lanes[r + l + 8]);
    for (int64_t r = 0; r < end; r += LANES)
        for (int l = 0; l < 4; l++) lanes[r + l] = JOIN(lanes[r + l], lanes[r + l + 4]);
    for (int64_t r = 0; r < end; r += LANES)
        for (int l = 0; l < 2; l++) lanes[r + l] = JOIN(lanes[r + l], lanes[r + l + 2]);
    for (int64_t r = 0; r < rows; r++)
        y[r] = JOIN(lanes[r * LANES], lanes[r * LANES + 1]);
}

static void NAME(join)(void *lanes, void *y)
{
    NAME(join_rows)(1, lanes, y);
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

/* y[j] from n elements of column j, of which there are at most COLUMNS. A lane without
 * elements would hold START, and JOIN(m, START) is m: a sum starts at 0, so no m is
 * -0. */
static void NAME(columns_few)(int64_t n, int64_t width, const T *a, int64_t stride, T *y)
{
    _Alignas(CACHE_LINE) T lanes[LANES * OF(COLUMNS)];
    int64_t used = n < LANES ? n : LANES;
    const bool is_far = n * stride * (int64_t)sizeof(T) > FAR_BYTES && stride > width;
    const int64_t far = is_far ? FAR_ROWS : 0;
    NAME(fold_rows)(used, width, a, stride, true, n > LANES + far ? far : 0, lanes);
    for (int64_t i = LANES; i < n; i += LANES)
        NAME(fold_rows)(n - i < LANES ? n - i : LANES, width, a + i * stride, stride,
                        false, n - i > LANES + far ? far : 0, lanes);
    for (int64_t s = LANES / 2; s > 0; s /= 2)
        if (used > s) {
            EACH for (int64_t i = 0; i < (used - s) * width; i++)
                lanes[i] = JOIN(lanes[i], lanes[s * width + i]);
            used = s;
        }
    for (int64_t j = 0; j < width; j++) y[j] = used ? lanes[j] : START;
}

static void NAME(columns)(int64_t n, int64_t columns, const void *of_a, int64_t stride,
                          void *of_y)
{
    const T *a = of_a;
    T *y = of_y;
    while (columns > 0) { /* parts of nearly the same width, whole vectors */
        int64_t parts = (columns + OF(COLUMNS) - 1) / OF(COLUMNS);
        int64_t width = WHOLE_BLOCKS((columns - 1) / parts + OF(BLOCK), OF(BLOCK));
        if (parts == 1) width = columns;
        NAME(columns_few)(n, width, a, stride, y);
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
        NAME(columns_few)(n, count, turned, count, y + first);
    }
}

static void NAME(rows)(int64_t rows, int64_t n, const void *of_a, int64_t stride,
                       void *of_y)
{
    const T *a = of_a;
    T *y = of_y;
    if (n <= SHORT_ROW) {
        NAME(rows_short)(rows, n, a, stride, y);
        return;
    }
    const int64_t whole = WHOLE_BLOCKS(n, LANES);
    const int rest = (int)(n - whole);
    for (int64_t group; rows > 0; rows -= group, y += group) {
        T lanes[LANE_ROWS * LANES];
        group = rows < LANE_ROWS ? rows : LANE_ROWS;
        for (int64_t i = 0; i < group * LANES; i++) lanes[i] = START;
        for (T *m = lanes; m < lanes + group * LANES; m += LANES, a += stride) {
            NAME(fold)(whole, a, LANES, m);
            EACH for (int l = 0; l < rest; l++) m[l] = JOIN(m[l], a[whole + l]);
        }
        NAME(join_rows)(group, lanes, y);
    }
}

#undef NAME
#undef REDUCTION
#undef START
#undef JOIN
