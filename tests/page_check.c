/* page_check.c: the sources of the page on this machine, for sanitizers: prints the
 * lines of the demo, then goes through everything else, at its limits. Reads names
 * from stdin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../web/page.h"

typedef struct classifier classifier;
typedef struct gpt gpt;
classifier *classifier_new(void);
void classifier_free(classifier *c);
int classifier_start(classifier *c, uint64_t seed, int data_set, int count, int layers,
                     const int32_t *hidden, int activation, int keep);
void classifier_optimize(classifier *c, int optimizer, double lr, double weight_decay);
int classifier_step(classifier *c);
double classifier_loss(classifier *c, int part);
int classifier_correct(classifier *c, int part);
int classifier_add(classifier *c, double x, double y, int label);
int classifier_remove(classifier *c, int i);
int classifier_surface(classifier *c, double x0, double y0, double x1, double y1,
                       int grid);
int classifier_find_lines(classifier *c);
int classifier_graph(classifier *c, double x, double y, int label);
int classifier_demo(classifier *c);
void *classifier_part(classifier *c, int which);
int classifier_fact(const classifier *c, int which);
gpt *gpt_new(void);
void gpt_free(gpt *g);
int gpt_start(gpt *g, uint64_t seed, int length);
int gpt_step(gpt *g);
const char *gpt_sample(gpt *g, double temperature);
double gpt_largest(const gpt *g, int which);
void *gpt_part(gpt *g, int which);

static int failed;

static void expect(int holds, const char *what, int number)
{
    if (holds) return;
    failed++;
    fprintf(stderr, "%s: %d\n", what, number);
}

/* Train a network of `layers` hidden layers of `width` neurons, and look at it. From the
 * 11th step on a program makes them, if the network is small. */
static void network(classifier *c, int data_set, int layers, int width, int activation)
{
    int32_t hidden[MAX_HIDDEN];
    int steps = layers * width > 20 ? 1 : 13;
    for (int i = 0; i < MAX_HIDDEN; i++) hidden[i] = width;
    int status =
        classifier_start(c, 7, data_set, MAX_POINTS, layers, hidden, activation, 0);
    expect(status == MG_OK, "start", status);
    for (int optimizer = 0; optimizer < 4; optimizer++) {
        classifier_optimize(c, optimizer, 0.01, 1e-4);
        for (int i = 0; i < steps; i++)
            expect(classifier_step(c) > 0, "step", optimizer);
    }
    status = classifier_surface(c, -2, 2, 2, -2, 128);
    expect(status == MG_OK, "surface", status);
    int lines = classifier_find_lines(c);
    expect(layers == 0 || lines > 0, "lines", lines);
    status = classifier_graph(c, 0.5, 0.5, 1);
    expect(status == (layers * width > 100 ? MG_ERR_LIMIT : MG_OK), "graph", status);
    expect(classifier_add(c, 0, 0, 0) == MG_ERR_LIMIT, "add to all", 0);
    while (classifier_fact(c, 0)) classifier_remove(c, classifier_fact(c, 0) / 2);
    expect(classifier_remove(c, 0) == MG_ERR_ARG, "remove of none", 0);
    status = classifier_step(c);
    expect(status == 0 && classifier_correct(c, TRAIN) == 0, "no points", status);
    for (int i = 0; i < MAX_POINTS; i++)
        expect(classifier_add(c, 0.001 * i, -0.001 * i, i % 2) == i, "add", i);
    for (int i = 0; i < steps; i++)
        expect(classifier_step(c) == MAX_POINTS, "step of added points", i);
}

static void speller(void)
{
    gpt *g = gpt_new();
    char *names = gpt_part(g, 0);
    int length = (int)fread(names, 1, 12000, stdin);
    expect(gpt_start(g, 42, length) == MG_OK, "names", length);
    for (int i = 0; i < 3; i++) expect(gpt_step(g) == MG_OK, "spelling", i);
    for (int i = 0; i < 3; i++) expect(strlen(gpt_sample(g, 5.0)) <= 16, "sample", i);
    expect(gpt_largest(g, 8) > 0.0, "largest", 8);
    memset(names, 'x', 40); /* a name that is too long */
    expect(gpt_start(g, 42, 40) == MG_OK && gpt_step(g) == MG_OK, "a long name", 40);
    expect(gpt_start(g, 42, 0) == MG_ERR_ARG, "no names", 0);
    gpt_free(g);
}

int main(void)
{
    classifier *c = classifier_new();
    const int32_t hidden[MAX_HIDDEN] = {1, 1, 1, 1};
    int length = classifier_demo(c);
    fwrite(classifier_part(c, 15), 1, length > 0 ? (size_t)length : 0, stdout);
    network(c, QUADRANTS, 1, 16, MG_TANH);
    network(c, MOONS, MAX_HIDDEN, MAX_WIDTH, MG_RELU);
    network(c, YINYANG, 0, 1, MG_SIN);
    expect(classifier_start(c, 0, 0, 9, 1, hidden, MG_TANH, 1) == MG_ERR_ARG, "seed", 0);
    expect(classifier_start(c, 1, 0, 9, 5, hidden, MG_TANH, 1) < 0, "layers", 5);
    expect(classifier_start(c, 1, 0, 9, 4, hidden, MG_EXP, 1) == MG_OK, "start", 4);
    classifier_optimize(c, 2, 1e300, 0.0); /* leads to numbers that are too large */
    int status = MG_OK;
    for (int i = 0; i < 9 && status >= 0; i++) status = classifier_step(c);
    expect(status == MG_ERR_OVERFLOW || status == MG_ERR_DOMAIN, "diverges", status);
    status = classifier_surface(c, -2, 2, 2, -2, 9);
    expect(status == MG_OK, "its surface", status);
    classifier_free(c);
    speller();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
