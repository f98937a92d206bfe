/* kernels.h: loops over contiguous elements, one set of them for each instruction set. */
#ifndef MG_KERNELS_H
#define MG_KERNELS_H

#include "base/base.h"

/* A kernel never allocates and never fails; it sees contiguous rows, except where a
 * stride (in elements) is a parameter. float16, bfloat16, int16 and int8 have no kernels
 * but casts: they are cast to float32 or int32 and back outside. No pointer is restrict:
 * out may be an operand, exactly. */

enum {
    LANES = 32,
    REDUCE_BLOCK = 4096, /* elements that are reduced in lanes at a time */
    REDUCE_LEVELS = 6    /* of blocks: 2^72 elements */
};

/* out[i] = op(a[i], b[i]) for i < n. `repeats`: bit 0 set, a[0] stands for every a[i];
 * bit 1 the same for b. `number` is the row's K. Comparisons write bools. */
typedef void (*map_kernel)(int64_t n, const void *a, const void *b, void *out,
                           double number, unsigned repeats);
/* out[i] = gradient formula of an operand, from operands a and b, value y, gradient g. */
typedef void (*gradient_kernel)(int64_t n, const void *a, const void *b, const void *y,
                                const void *g, void *out, double number);
/* y[i] = a[i] as another type. */
typedef void (*cast_kernel)(int64_t n, const void *a, void *y);
/* Rows: y[r] from n elements at a + r * stride, for r < rows; a reduction of n = 0 gives
 * the start. */
typedef void (*rows_kernel)(int64_t rows, int64_t n, const void *a, int64_t stride,
                            void *y);
/* Columns: y[j] from the n elements a[i * stride + j], i < n, for j < columns. */
typedef void (*columns_kernel)(int64_t n, int64_t columns, const void *a, int64_t stride,
                               void *y);

/* A reduction in blocks of REDUCE_BLOCK elements: element i of a block goes to lane
 * i % LANES, in order; lanes start at `start`; they are joined l += l+16, l+8, l+4, l+2,
 * l+1 with the same operation. The results of several blocks are the elements of the next
 * reduction. */
typedef struct reduction_kernels {
    rows_kernel rows;
    columns_kernel columns;
} reduction_kernels;

/* c (m, n) = a (m, k) @ b (k, n): for each 128 steps of k sum = fma(a[i,k], b[k,j], sum)
 * from 0 on, in this order, and the sums of these blocks are added in order. a and b have
 * any row and column strides (of elements); c's rows lie c_row apart. With `bias` (n) the
 * sum is followed by + bias[j]. */
typedef struct matrices {
    int64_t m, n, k;
    const char *a, *b, *bias;
    char *c;
    int64_t a_row, a_column, b_row, b_column, c_row;
    bool resume;       /* c holds the sum of blocks before these */
    thread_work *work; /* that may be given up, then c is anything; NULL: none */
} matrices;

/* `workspace` holds gemm_workspace() bytes, on a cache line. */
typedef void (*gemm_kernel)(const matrices *p, void *workspace);

enum {
#define MG_REDUCTION(NAME, ...) REDUCE_##NAME,
#include "kernels/kernels.def"
    REDUCTION_COUNT
};
enum { WIDE_COUNT = 2 }; /* float32, float64: the types that are computed in */

/* The numbers of the updates: of each row of updates.def a struct of doubles. */
#define NUMBERS(...) double __VA_ARGS__;
#define SCALARS(...) double __VA_ARGS__;
#define FACTORS(...) double __VA_ARGS__;
#define ARRAYS(...)
#define WHERE(...)
#define MG_UPDATE(NAME, name, takes) \
    typedef struct name##_update { \
        takes \
    } name##_update;
#include "updates.def"
#undef NUMBERS
#undef SCALARS
#undef FACTORS
#undef ARRAYS
#undef WHERE

/* y[r] = sum of squares of (a - mean) / (n - correction), or its square root */
typedef void (*variance_kernel)(int64_t rows, int64_t n, const void *a, int64_t stride,
                                double correction, bool root, void *y);
/* y[r, i] = (a[r, i] - mean) / sqrt(variance + epsilon) * weight[i] + bias[i]; there are
 * `period` rows of weight and bias, in turn, number `turn` for the first row. */
typedef void (*layer_norm_kernel)(int64_t rows, int64_t n, const void *a,
                                  const void *weight, const void *bias, int64_t turn,
                                  int64_t period, double epsilon, void *y);
/* y[r, i] = a[r, i] / sqrt(mean of squares + epsilon) * weight[i] */
typedef void (*rms_norm_kernel)(int64_t rows, int64_t n, const void *a,
                                const void *weight, double epsilon, void *y);
/* What rows of softmax, of log_softmax, pass on: from the value y and its gradient g. */
typedef void (*back_kernel)(int64_t rows, int64_t n, const void *y, const void *g,
                            void *out);
/* y as of log_sums; exps and sums, as many as elements and as rows, are kept for the next. */
typedef void (*log_sums_kernel)(int64_t rows, int64_t n, const void *a, void *exps,
                                void *sums, void *y);
/* out[r, i] = (softmax(a)[r, i] - expected) * weights[r], 0 of rows with the ignored
 * target; targets are classes. exps and sums are NULL, or of the same rows, all of them. */
typedef void (*cross_entropy_kernel)(int64_t rows, int64_t n, const void *a,
                                     const void *exps, const void *sums,
                                     const int64_t *targets, int64_t ignored,
                                     double smoothing, const void *weights, void *out);
/* by[r], 1 or the power of two by which row r is multiplied, mean[r] of that, 0 unless
 * centered, and scale[r] = 1 / sqrt(mean of squares + epsilon). */
typedef void (*norm_scales_kernel)(int64_t rows, int64_t n, const void *a, bool centered,
                                   double epsilon, void *by, void *mean, void *scale);
/* What rows of a norm pass on to a; turns as above. */
typedef void (*norm_back_kernel)(int64_t rows, int64_t n, const void *a, const void *g,
                                 const void *weight, int64_t turn, int64_t period,
                                 bool centered, double epsilon, void *out);
/* The same of rows of one block, all of them, and what they pass on to weight and bias.
 * `lanes` has room for 2 * NORM_LANES * n elements. */
typedef void (*norm_all_back_kernel)(int64_t rows, int64_t n, const void *a,
                                     const void *g, const void *weight, bool centered,
                                     double epsilon, void *lanes, void *out,
                                     void *of_weight, void *of_bias);
/* y[r] = sum of g[r, i] * ((a[r, i] * by - mean) * scale), which `per` rows share. */
typedef void (*norm_products_kernel)(int64_t rows, int64_t n, const void *a,
                                     const void *g, int64_t per, const void *by,
                                     const void *mean, const void *scale, void *y);
/* Planes: row r is of channel r % channels, of each of which c is a number. y[r] = sum of
 * (a[r, i] - c)^2, or with g, of g[r, i] * (a[r, i] - c). */
typedef void (*plane_sums_kernel)(int64_t rows, int64_t n, const void *a, const void *g,
                                  const void *c, int64_t channels, void *y);
/* y[r, i] = (a[r, i] - c) * scale + bias; no bias where it is NULL. */
typedef void (*plane_scale_kernel)(int64_t rows, int64_t n, const void *a, const void *c,
                                   const void *scale, const void *bias, int64_t channels,
                                   void *y);
/* out[r, i] = ((g[r, i] - share) - (a[r, i] - c) * less) * scale. */
typedef void (*plane_back_kernel)(int64_t rows, int64_t n, const void *a, const void *g,
                                  const void *c, const void *share, const void *less,
                                  const void *scale, int64_t channels, void *out);
/* out[j] = at + j * next + the distance of the first largest, or first NaN, of the
 * elements a[j * next + distances[k]], k < size; distances[0] is 0. */
typedef void (*largest_places_kernel)(int64_t n, const void *a, int64_t next,
                                      int64_t size, const int64_t *distances, int64_t at,
                                      int64_t *out);
/* Lines of n elements: copies of those that lie `line` apart, one behind the other; and
 * y, lines of which lie so far apart, plus such. */
typedef void (*lines_copy_kernel)(int64_t lines, int64_t n, const void *a, int64_t line,
                                  void *y);
typedef void (*lines_add_kernel)(int64_t lines, int64_t n, const void *a, void *y,
                                 int64_t line);
/* y[j] = sum over i of g[i, j] * ((a[i, j] * by[i] - mean[i]) * scale[i]); rows lie
 * `stride` apart. `lanes` has room for NORM_LANES * columns elements. */
enum { NORM_LANES = 4 * LANES };
typedef void (*norm_weight_kernel)(int64_t rows, int64_t columns, const void *a,
                                   const void *g, int64_t stride, const void *by,
                                   const void *mean, const void *scale, void *lanes,
                                   void *y);
/* out[i] = test[i] ? a[i] : b[i]; repeats as above for a (bit 0) and b (bit 1) */
typedef void (*choose_kernel)(int64_t n, const uint8_t *test, const void *a,
                              const void *b, void *out, unsigned repeats);
/* An update of n elements in place: `arrays` are those of the row of updates.def, NULL
 * where one is not needed, `values` its struct. */
typedef void (*update_kernel)(int64_t n, void *parameter, const void *gradient,
                              void *const *arrays, const void *values);
typedef size_t (*gemm_size)(int64_t m, int64_t n, int64_t k, size_t element);

/* FLOATS by dtype: float32, float64; WIDE: and int64 at [2]; SIZES: 1, 2, 4, 8 bytes. Of
 * the rows kernels argmax and argmin give y[r] as int64, logsumexp gives y[r], and
 * cumsum, softmax, log_softmax give rows, which lie n apart; log_sums two numbers. */
#define MEMBER_FLOATS(type, name) type name[WIDE_COUNT];
#define MEMBER_WIDE(type, name) type name[WIDE_COUNT + 1];
#define MEMBER_SIZES(type, name) type name[4];
#define MEMBER_ONE(type, name) type name;
typedef struct kernel_set {
    const char *name;                              /* "baseline", "avx2", "avx512" */
    map_kernel value[MG_OP_COUNT][MG_DTYPE_COUNT]; /* by the operands' type; or NULL */
    gradient_kernel gradient[MG_OP_COUNT][2][WIDE_COUNT]; /* of a, of b */
    cast_kernel cast[MG_DTYPE_COUNT][MG_DTYPE_COUNT];     /* from, to; or NULL */
    reduction_kernels reduce[REDUCTION_COUNT][WIDE_COUNT + 1]; /* as WIDE */
    update_kernel update[MG_UPDATE_COUNT][WIDE_COUNT];
#define MG_KERNEL(type, name, kinds) MEMBER_##kinds(type, name)
#include "kernels/kernels.def"
} kernel_set;
#undef MEMBER_FLOATS
#undef MEMBER_WIDE
#undef MEMBER_SIZES
#undef MEMBER_ONE

extern const kernel_set kernels_baseline;
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__) && \
    !defined(MG_BASELINE_ONLY)
#define MG_HAS_X86_SETS 1
extern const kernel_set kernels_avx2, kernels_avx512;
#endif

/* dispatch.c: the set that the calls use. */
const kernel_set *kernels(void);

/* casts.c: y[i] = a[i], from one type to any, also the same. */
void cast_elements(int from, int to, int64_t n, const void *a, void *y);

#endif
