/* demo.c: LLM101n's classifier of three quadrants, in C on micrograd.h alone.
 *
 * Trains MLP(2, [16, 3]) on 80 of 100 points for 100 steps of AdamW and prints, byte for
 * byte, the lines of the Python program; then the accuracy on the points it has never
 * seen. `demo portable` takes the functions that are the same everywhere. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "micrograd.h"

enum { POINTS = 100, TRAIN = 80, VALIDATE = 10, STEPS = 100 };
enum { INPUTS = 2, HIDDEN = 16, CLASSES = 3 };
enum { PARAMETERS = HIDDEN * (INPUTS + 1) + CLASSES * (HIDDEN + 1) };

typedef struct model {
    mg_arena *arena;
    mg_node parameters[PARAMETERS];
    double m[PARAMETERS], v[PARAMETERS]; /* AdamW's running means */
} model;

typedef struct data_set {
    double points[POINTS][INPUTS];
    int64_t labels[POINTS];
} data_set;

static void check(int64_t status, const char *call)
{
    if (status >= 0) return;
    fprintf(stderr, "demo: %s: %s\n", call, mg_status_text((int)status));
    exit(EXIT_FAILURE);
}

static void data_set_make(data_set *data, mg_rng *rng)
{
    for (int i = 0; i < POINTS; i++) {
        double x = mg_rng_uniform(rng, -2.0, 2.0);
        double y = mg_rng_uniform(rng, -2.0, 2.0);
        data->points[i][0] = x;
        data->points[i][1] = y;
        data->labels[i] = x < 0.0 ? 0 : y < 0.0 ? 1 : 2;
    }
}

/* Return x ** exponent, as numbers have it. */
static double power(mg_arena *arena, double x, double exponent)
{
    double result = 0.0;
    mg_node base = mg_leaf(arena, x);
    mg_node y = mg_record_number(arena, MG_POW_NUMBER, base, exponent);
    check(mg_data(arena, 1, &y, &result), "mg_data");
    mg_release_all(arena, 2, (mg_node[]){base, y});
    return result;
}

/* Draw the weights of a layer, uniform in (-1, 1) / sqrt(nin); biases are 0. */
static mg_node *layer_make(model *net, mg_node *at, int nin, int nout, mg_rng *rng)
{
    double scale = power(net->arena, nin, -0.5);
    for (int neuron = 0; neuron < nout; neuron++) {
        for (int i = 0; i < nin; i++)
            *at++ = mg_leaf(net->arena, mg_rng_uniform(rng, -1.0, 1.0) * scale);
        *at++ = mg_leaf(net->arena, 0.0);
    }
    return at;
}

static void logits_of(model *net, const data_set *data, int first, int rows,
                      mg_node *logits)
{
    const int64_t sizes[] = {INPUTS, HIDDEN, CLASSES};
    check(mg_mlp(net->arena, 2, sizes, MG_TANH, -1, net->parameters, rows, NULL,
                 data->points[first], logits),
          "mg_mlp");
}

static void release(model *net, int count, const mg_node *nodes)
{
    for (int i = 0; i < count; i++) mg_release(net->arena, nodes[i]);
}

/* Return the mean loss over some points; with backward, gradients are left in the
 * parameters. */
static double loss_of(model *net, const data_set *data, int first, int rows, int backward)
{
    mg_node logits[POINTS * CLASSES], loss = 0;
    double result = 0.0;
    logits_of(net, data, first, rows, logits);
    check(mg_cross_entropy(net->arena, rows, CLASSES, logits, data->labels + first, 1,
                           MG_REDUCE_MEAN, &loss),
          "mg_cross_entropy");
    mg_data(net->arena, 1, &loss, &result);
    if (backward) check(mg_backward(net->arena, loss, 1.0, 0), "mg_backward");
    release(net, rows * CLASSES, logits);
    release(net, 1, &loss);
    return result;
}

static int count_right(model *net, const data_set *data, int first, int rows)
{
    mg_node logits[POINTS * CLASSES];
    double numbers[POINTS * CLASSES];
    int right = 0;
    logits_of(net, data, first, rows, logits);
    mg_data(net->arena, rows * CLASSES, logits, numbers);
    release(net, rows * CLASSES, logits);
    for (int row = 0; row < rows; row++) {
        int best = 0;
        for (int k = 1; k < CLASSES; k++)
            if (numbers[row * CLASSES + k] > numbers[row * CLASSES + best]) best = k;
        right += best == data->labels[first + row];
    }
    return right;
}

/* Write a positive number below 1e16 as Python does: the fewest digits that read back as
 * it. */
static void print_shortest(double x)
{
    char text[64] = "";
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, x);
        if (strtod(text, NULL) != x) continue;
        int exponent = (int)floor(log10(x));
        int decimals = digits - 1 - exponent;
        if (exponent >= -4)
            snprintf(text, sizeof text, "%.*f", decimals > 1 ? decimals : 1, x);
        break;
    }
    fputs(text, stdout);
}

int main(int argc, char **argv)
{
    static model net;
    static data_set data;
    mg_rng rng;
    if (argc > 1 && !strcmp(argv[1], "portable")) mg_set_math(MG_MATH_PORTABLE);
    check(mg_rng_seed(&rng, 42), "mg_rng_seed");
    data_set_make(&data, &rng);
    net.arena = mg_arena_new(NULL, NULL);
    if (!net.arena) check(MG_ERR_NOMEM, "mg_arena_new");
    layer_make(&net, layer_make(&net, net.parameters, INPUTS, HIDDEN, &rng), HIDDEN,
               CLASSES, &rng);
    for (int step = 0; step < STEPS; step++) {
        if (step % 10 == 0)
            printf("step %d, val loss %.6f\n", step,
                   loss_of(&net, &data, TRAIN, VALIDATE, 0));
        double loss = loss_of(&net, &data, 0, TRAIN, 1);
        check(mg_adam_step(net.arena, PARAMETERS, net.parameters, net.m, net.v, step + 1,
                           0.1, 0.9, 0.95, 1e-8, 1e-4, 1),
              "mg_adam_step");
        mg_zero_gradients(net.arena, PARAMETERS, net.parameters);
        printf("step %d, train loss ", step);
        print_shortest(loss);
        putchar('\n');
    }
    int first = TRAIN + VALIDATE, rows = POINTS - first;
    printf("test accuracy %d of %d\n", count_right(&net, &data, first, rows), rows);
    mg_arena_free(net.arena);
    return 0;
}
