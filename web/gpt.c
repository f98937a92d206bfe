/* gpt.c: the second tab: a GPT of microgpt's size that learns to spell names, one name
 * a step. Number for number it is the program examples/microgpt.py in portable math.
 *
 * Each call keeps the handles it is given in one list and gives them back at its end.
 * What fails stops nothing: the status stays, and is looked at once, at the end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"

enum {
    LETTERS = 26, /* the token before and after a name */
    TOKENS = 27,
    WIDTH = 16,
    HEADS = 4,
    HEAD = WIDTH / HEADS,
    BLOCK = 16, /* the most tokens that it sees */
    UP = 4 * WIDTH,
    TABLES = 9,
    WEIGHTS = (2 * TOKENS + BLOCK + 4 * WIDTH + 2 * UP) * WIDTH,
    MAX_NAMES = 1000,
    NAME_TEXT = 12000,
    HANDLES = 1 << 17
};

enum table { TOKEN, PLACE, OUT, WQ, WK, WV, WO, WUP, WDOWN };
static const int32_t table_rows[TABLES] = {TOKENS, BLOCK, TOKENS, WIDTH, WIDTH,
                                           WIDTH,  WIDTH, UP,     WIDTH};
static const int32_t table_columns[TABLES] = {WIDTH, WIDTH, WIDTH, WIDTH, WIDTH,
                                              WIDTH, WIDTH, WIDTH, UP};

typedef struct gpt {
    mg_arena *arena;
    int status;
    char names[NAME_TEXT]; /* one after the other, each ends with a 0 */
    int32_t name_count, name_at[MAX_NAMES];
    mg_node weights[WEIGHTS];
    double data[WEIGHTS], gradients[WEIGHTS], m[WEIGHTS], v[WEIGHTS];
    mg_node *handles;
    int64_t handle_count;
    mg_node keys[BLOCK][WIDTH], values[BLOCK][WIDTH];
    int32_t step, length;                     /* tokens of the last name, its end, too */
    int32_t tokens[BLOCK + 1];                /* the last name between two ends */
    double attention[HEADS][BLOCK][BLOCK];    /* (heads, from, to) */
    double probabilities[BLOCK][TOKENS], loss;
    double mean; /* of the losses, the last 50 or so */
    mg_rng sample_rng;
    char sample[BLOCK + 1];
} gpt;

/* ---- recording --------------------------------------------------------------------- */

static mg_node keep(gpt *g, mg_node node)
{
    if (node < 0 || g->handle_count == HANDLES) {
        if (g->status == MG_OK) g->status = node < 0 ? (int)node : MG_ERR_LIMIT;
        if (node > 0) mg_release(g->arena, node);
        return 0;
    }
    return g->handles[g->handle_count++] = node;
}

static void keep_all(gpt *g, int status, int count, const mg_node *nodes)
{
    if (status < 0 && g->status == MG_OK) g->status = status;
    for (int i = 0; status == MG_OK && i < count; i++) keep(g, nodes[i]);
}

static void handles_release(gpt *g)
{
    mg_release_all(g->arena, g->handle_count, g->handles);
    g->handle_count = 0;
}

static mg_node op(gpt *g, int op, mg_node a, mg_node b)
{
    return keep(g, mg_record(g->arena, op, a, b));
}

static mg_node op_number(gpt *g, int op, mg_node a, double number)
{
    return keep(g, mg_record_number(g->arena, op, a, number));
}

static double data_of(gpt *g, mg_node node)
{
    double data = NAN;
    mg_data(g->arena, 1, &node, &data);
    return data;
}

/* Record total / count, which is total * count**-1. */
static mg_node quotient(gpt *g, mg_node total, int count)
{
    mg_node leaf = keep(g, mg_leaf(g->arena, count));
    mg_node inverse = op_number(g, MG_POW_NUMBER, leaf, -1.0);
    return op_number(g, MG_MUL, total, data_of(g, inverse));
}

/* y (rows) = rows of w (rows, columns) times x (columns). */
static void linear(gpt *g, int rows, int columns, const mg_node *w, const mg_node *x,
                   mg_node *y)
{
    for (int i = 0; i < rows; i++)
        y[i] = keep(g, mg_dot(g->arena, columns, w + i * columns, x));
}

static const mg_node *table(const gpt *g, int which)
{
    const mg_node *at = g->weights;
    for (int i = 0; i < which; i++) at += table_rows[i] * table_columns[i];
    return at;
}

static void apply(gpt *g, int which, const mg_node *x, mg_node *y)
{
    linear(g, table_rows[which], table_columns[which], table(g, which), x, y);
}

static void norm(gpt *g, const mg_node *x, mg_node *y)
{
    keep_all(g, mg_rmsnorm(g->arena, WIDTH, x, 1e-5, y), WIDTH, y);
}

static void add(gpt *g, const mg_node *a, const mg_node *b, mg_node *y)
{
    for (int i = 0; i < WIDTH; i++) y[i] = op(g, MG_ADD, a[i], b[i]);
}

/* Record one head of attention from place `at` to all places so far. */
static void head_attend(gpt *g, int head, int at, const mg_node *q, mg_node *found)
{
    mg_node shares[BLOCK], column[BLOCK];
    const int first = head * HEAD;
    for (int to = 0; to <= at; to++) {
        mg_node score = keep(g, mg_dot(g->arena, HEAD, g->keys[to] + first, q + first));
        shares[to] = op_number(g, MG_MUL, score, 0.5);
    }
    keep_all(g, mg_softmax(g->arena, at + 1, shares, shares), at + 1, shares);
    mg_data(g->arena, at + 1, shares, g->attention[head][at]);
    for (int i = 0; i < HEAD; i++) {
        for (int to = 0; to <= at; to++) column[to] = g->values[to][first + i];
        found[first + i] = keep(g, mg_dot(g->arena, at + 1, column, shares));
    }
}

/* Record the logits of what comes after a token at place `at`. */
static void logits_of(gpt *g, int token, int at, mg_node *logits)
{
    mg_node x[WIDTH], normal[WIDTH], q[WIDTH], found[WIDTH], hidden[UP];
    add(g, table(g, TOKEN) + token * WIDTH, table(g, PLACE) + at * WIDTH, x);
    norm(g, x, x);
    norm(g, x, normal);
    apply(g, WK, normal, g->keys[at]);
    apply(g, WV, normal, g->values[at]);
    apply(g, WQ, normal, q);
    for (int head = 0; head < HEADS; head++) head_attend(g, head, at, q, found);
    apply(g, WO, found, normal);
    add(g, normal, x, x);
    norm(g, x, normal);
    apply(g, WUP, normal, hidden);
    for (int i = 0; i < UP; i++) hidden[i] = op(g, MG_RELU, hidden[i], 0);
    apply(g, WDOWN, hidden, normal);
    add(g, normal, x, x);
    apply(g, OUT, x, logits);
}

/* ---- training ---------------------------------------------------------------------- */

/* Take the name of a step between two ends; returns how many tokens there are to tell. */
static int name_take(gpt *g, int step)
{
    const char *name = g->names + g->name_at[step % g->name_count];
    int length = (int)strlen(name);
    if (length > BLOCK - 1) length = BLOCK - 1;
    g->tokens[0] = g->tokens[length + 1] = LETTERS;
    for (int i = 0; i < length; i++) g->tokens[i + 1] = name[i] - 'a';
    return length + 1;
}

/* Record the mean loss of the name. */
static mg_node loss_record(gpt *g)
{
    mg_node losses[BLOCK], shares[TOKENS];
    for (int at = 0; at < g->length && g->status == MG_OK; at++) {
        logits_of(g, g->tokens[at], at, shares);
        keep_all(g, mg_softmax(g->arena, TOKENS, shares, shares), TOKENS, shares);
        mg_data(g->arena, TOKENS, shares, g->probabilities[at]);
        losses[at] = shares[g->tokens[at + 1]];
    }
    for (int at = 0; at < g->length && g->status == MG_OK; at++)
        losses[at] = op(g, MG_LOG, losses[at], 0);
    if (g->status < 0) return 0;
    mg_node total = keep(g, mg_sum(g->arena, g->length, losses));
    return quotient(g, op_number(g, MG_MUL, total, -1.0), g->length);
}

/* Learn the next name. */
EXPORT int gpt_step(gpt *g)
{
    g->status = MG_OK;
    g->length = name_take(g, g->step + 1);
    mg_node loss = loss_record(g);
    if (g->status == MG_OK) g->loss = data_of(g, loss);
    if (g->status == MG_OK) g->status = mg_backward(g->arena, loss, 1.0, 0);
    handles_release(g);
    if (g->status < 0) return g->status;
    mg_gradients(g->arena, WEIGHTS, g->weights, g->gradients);
    g->status = mg_adam_step(g->arena, WEIGHTS, g->weights, g->m, g->v, g->step + 1, 0.01,
                             0.9, 0.95, 1e-8, 0.0, MG_DECOUPLED);
    mg_zero_gradients(g->arena, WEIGHTS, g->weights);
    mg_data(g->arena, WEIGHTS, g->weights, g->data);
    if (g->status < 0) return g->status;
    g->step++;
    g->mean += (g->loss - g->mean) / (g->step < 50 ? g->step : 50);
    return MG_OK;
}

/* ---- samples ----------------------------------------------------------------------- */

/* Draw a token from probabilities. */
static int token_draw(gpt *g, const double *probabilities)
{
    double u = mg_rng_random(&g->sample_rng), sum = 0.0;
    for (int i = 0; i < TOKENS; i++) {
        sum += probabilities[i];
        if (u < sum) return i;
    }
    return LETTERS;
}

/* Draw the token after one at place `at`. */
static int token_next(gpt *g, int token, int at, double temperature)
{
    mg_node logits[TOKENS];
    double probabilities[TOKENS] = {0};
    logits_of(g, token, at, logits);
    for (int i = 0; i < TOKENS; i++)
        logits[i] = op_number(g, MG_MUL, logits[i], 1.0 / temperature);
    keep_all(g, mg_softmax(g->arena, TOKENS, logits, logits), TOKENS, logits);
    mg_data(g->arena, TOKENS, logits, probabilities);
    return g->status == MG_OK ? token_draw(g, probabilities) : LETTERS;
}

/* Make up a name and return it. */
EXPORT const char *gpt_sample(gpt *g, double temperature)
{
    static double attention[HEADS][BLOCK][BLOCK];
    memcpy(attention, g->attention, sizeof attention);
    int token = LETTERS, at = 0;
    g->status = MG_OK;
    for (; at < BLOCK; at++) {
        token = token_next(g, token, at, temperature);
        if (token == LETTERS) break;
        g->sample[at] = (char)('a' + token);
    }
    handles_release(g);
    g->sample[at] = 0;
    memcpy(g->attention, attention, sizeof attention);
    return g->sample;
}

/* ---- making ------------------------------------------------------------------------ */

EXPORT void gpt_free(gpt *g)
{
    if (!g) return;
    mg_arena_free(g->arena);
    free(g->handles);
    free(g);
}

/* Make a GPT, to be started; NULL: there is no memory. */
EXPORT gpt *gpt_new(void)
{
    gpt *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->handles = malloc(HANDLES * sizeof *g->handles);
    if (g->handles) return g;
    gpt_free(g);
    return NULL;
}

/* Bring the names into a random order. */
static int names_shuffle(gpt *g, mg_rng *rng)
{
    static int64_t order[MAX_NAMES];
    int32_t at[MAX_NAMES];
    int status = mg_rng_permutation(rng, g->name_count, order);
    memcpy(at, g->name_at, sizeof at);
    for (int i = 0; i < g->name_count; i++) g->name_at[i] = at[order[i]];
    return status;
}

/* Cut the text of names, one a line, which JavaScript has written to gpt_part(.., 0). */
static void names_cut(gpt *g, int length)
{
    g->name_count = 0;
    for (int i = 0; i < length && g->name_count < MAX_NAMES; i++) {
        if (g->names[i] == '\n') g->names[i] = 0;
        if (g->names[i] && (i == 0 || !g->names[i - 1])) g->name_at[g->name_count++] = i;
    }
    g->names[length < NAME_TEXT ? length : NAME_TEXT - 1] = 0;
}

/* Begin anew, with `length` bytes of names. */
EXPORT int gpt_start(gpt *g, uint64_t seed, int length)
{
    mg_rng rng;
    mg_set_math(MG_MATH_PORTABLE);
    if (mg_rng_seed(&rng, seed) < 0 || length < 1) return MG_ERR_ARG;
    mg_arena_free(g->arena);
    g->arena = mg_arena_new(NULL, NULL);
    if (!g->arena) return MG_ERR_NOMEM;
    names_cut(g, length);
    if (g->name_count == 0) return MG_ERR_ARG;
    names_shuffle(g, &rng);
    for (int i = 0; i < WEIGHTS; i++)
        g->weights[i] = mg_leaf(g->arena, mg_rng_normal(&rng, 0.0, 0.08));
    mg_data(g->arena, WEIGHTS, g->weights, g->data);
    memset(g->gradients, 0, sizeof g->gradients);
    memset(g->m, 0, sizeof g->m);
    memset(g->v, 0, sizeof g->v);
    g->step = g->length = 0;
    g->loss = NAN;
    g->mean = 0.0;
    return mg_rng_seed(&g->sample_rng, seed);
}

/* Return the largest size of a gradient in a table. */
EXPORT double gpt_largest(const gpt *g, int which)
{
    int64_t first = table(g, which) - g->weights;
    double largest = 0.0;
    for (int i = 0; i < table_rows[which] * table_columns[which]; i++)
        largest = fmax(largest, fabs(g->gradients[first + i]));
    return largest;
}

/* Addresses of what is read and written in place. */
EXPORT void *gpt_part(gpt *g, int which)
{
    void *const parts[] = {g->names,     g->data,          g->gradients,
                           g->attention, g->probabilities, g->tokens};
    return parts[which];
}

enum fact { STEP, LENGTH, NAMES };

EXPORT int gpt_fact(const gpt *g, int which)
{
    const int facts[] = {g->step, g->length, g->name_count};
    return facts[which];
}

EXPORT double gpt_last_loss(const gpt *g)
{
    return g->loss;
}

EXPORT double gpt_mean_loss(const gpt *g)
{
    return g->mean;
}
