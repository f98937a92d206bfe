/* lanes.inc.c: one reduction of elements of T. The includer defines its name REDUCTION,
 * START, JOIN(m, v), and QUICK(m, v), which is JOIN(m, v) but for NaN, of which CHECKED
 * is 1. */

#define NAME(part) PASTE(PASTE(part, REDUCTION), TYPE)

/* Fold `width` of every LANES elements, n in all, a multiple of LANES. */
MG_INLINE void NAME(fold)(int64_t n, const T *a, int width, T *lanes)
{
    T m[LANES];
    OF(mask) odd[LANES] = {0}, any = 0;
    memcpy(m, lanes, (size_t)width * sizeof(T));
    for (int64_t i = 0; i < n; i += LANES)
        for (int l = 0; l < width; l++) {
            T v = a[i + l];
            m[l] = QUICK(m[l], v);
            odd[l] |= CHECKED && OF(is_nan)(v) ? (OF(mask))-1 : 0;
        }
    memcpy(lanes, m, (size_t)width * sizeof(T));
    for (int l = 0; l < width; l++) any |= odd[l];
    if (any) /* there is a NaN: what was quick does no harm to what is done again */
        for (int64_t i = 0; i < n; i += LANES)
            for (int l = 0; l < width; l++) lanes[l] = JOIN(lanes[l], a[i + l]);
}

static void NAME(lanes)(int64_t n, const void *of_a, int from, int to, void *of_lanes)
{
    const T *a = of_a;
    T *lanes = of_lanes;
    int64_t whole = WHOLE_BLOCKS(n, LANES);
    int l = from;
    for (; l + LANES <= to; l += LANES) NAME(fold)(whole, a + l, LANES, lanes + l);
    for (; l + LANES / 2 <= to; l += LANES / 2)
        NAME(fold)(whole, a + l, LANES / 2, lanes + l);
    for (; l < to; l++) NAME(fold)(whole, a + l, 1, lanes + l);
    for (l = from; l < to && whole + l < n; l++) lanes[l] = JOIN(lanes[l], a[whole + l]);
}

static void NAME(join)(void *of_lanes, void *y)
{
    T *lanes = of_lanes;
    for (int s = LANES / 2; s > 0; s /= 2)
        for (int l = 0; l < s; l++) lanes[l] = JOIN(lanes[l], lanes[l + s]);
    *(T *)y = lanes[0];
}

/* ---- columns ------------------------------------------------------------------------ */

/* Fold n rows of `width` elements into lanes of as many, from lane 0 on. */
MG_INLINE void NAME(fold_rows)(int64_t n, int64_t width, const T *a, int64_t stride,
                               T *lanes)
{
    if (stride == width) {
        width *= n;
        n = 1;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < width; j++)
            lanes[i * width + j] = JOIN(lanes[i * width + j], a[i * stride + j]);
}

/* y[j] from n elements of column j, of which there are at most COLUMNS. A lane without
 * elements holds START, and JOIN(m, START) is m: sums start at 0, and so no m is -0. */
static void NAME(columns_few)(int64_t n, int64_t width, const T *a, int64_t stride, T *y)
{
    _Alignas(CACHE_LINE) T lanes[LANES * OF(COLUMNS)];
    int64_t used = n < LANES ? n : LANES;
    for (int64_t i = 0; i < used * width; i++) lanes[i] = START;
    for (; n > 0; n -= LANES, a += LANES * stride)
        NAME(fold_rows)(n < LANES ? n : LANES, width, a, stride, lanes);
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

/* ---- rows --------------------------------------------------------------------------- */

/* Short rows are turned to columns. */
static void NAME(rows_short)(int64_t rows, int64_t n, const T *a, int64_t stride, T *y)
{
    T turned[SHORT_ROW * ROWS_AT_ONCE];
    for (int64_t first = 0; first < rows; first += ROWS_AT_ONCE) {
        int64_t count = rows - first < ROWS_AT_ONCE ? rows - first : ROWS_AT_ONCE;
        for (int64_t i = 0; i < n; i++)
            for (int64_t r = 0; r < count; r++)
                turned[i * count + r] = a[(first + r) * stride + i];
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
    for (int64_t r = 0; r < rows; r++, a += stride) {
        T lanes[LANES], rest[LANES];
        int64_t whole = WHOLE_BLOCKS(n, LANES);
        for (int l = 0; l < LANES; l++) lanes[l] = rest[l] = START;
        NAME(fold)(whole, a, LANES, lanes);
        memcpy(rest, a + whole, (size_t)(n - whole) * sizeof(T));
        NAME(fold)(LANES, rest, LANES, lanes); /* START changes nothing */
        NAME(join)(lanes, y + r);
    }
}

#undef NAME
#undef REDUCTION
#undef START
#undef JOIN
#undef QUICK
#undef CHECKED
