/* points.c: the data sets of `pymicrograd demo`, number for number those that
 * pymicrograd.data makes in portable math. Squares and square roots are IEEE 754's. */
#include <math.h>

#include "page.h"

static void point_set(points *p, int i, double x, double y, int label)
{
    p->xy[2 * i] = x;
    p->xy[2 * i + 1] = y;
    p->labels[i] = label;
}

static void quadrants_make(points *p, mg_rng *rng)
{
    for (int i = 0; i < p->count; i++) {
        double x = mg_rng_uniform(rng, -2.0, 2.0);
        double y = mg_rng_uniform(rng, -2.0, 2.0);
        point_set(p, i, x, y, x < 0.0 ? 0 : y < 0.0 ? 1 : 2);
    }
}

static double distance(double x, double y, double from_x)
{
    return sqrt((x - from_x) * (x - from_x) + (y - 0.5) * (y - 0.5));
}

/* Return 0 in yin, 1 in yang, 2 in a dot, -1 outside of the circle of radius 0.5.
 * Source: Kriener, Goltz and Petrovici 2022, arXiv:2102.08211. */
static int yinyang_class(double x, double y)
{
    const double dot = 0.1, half = 0.25;
    if (distance(x, y, 0.5) > 0.5) return -1;
    double right = distance(x, y, 0.75), left = distance(x, y, 0.25);
    if (right < dot || left < dot) return 2;
    int yin = right <= dot || (dot < left && left <= half) || (y > 0.5 && right > half);
    return yin ? 0 : 1;
}

static void yinyang_make(points *p, mg_rng *rng)
{
    for (int i = 0; i < p->count; i++) {
        double x, y;
        do {
            x = mg_rng_uniform(rng, 0.0, 1.0);
            y = mg_rng_uniform(rng, 0.0, 1.0);
        } while (yinyang_class(x, y) != i % 3);
        point_set(p, i, (x / 0.5 - 1.0) * 2.0, (y / 0.5 - 1.0) * 2.0, i % 3);
    }
}

/* Return op(x) of numbers. */
static double number(mg_arena *arena, int op, double x)
{
    double y = 0.0;
    mg_node a = mg_leaf(arena, x), result = mg_record(arena, op, a, 0);
    mg_data(arena, 1, &result, &y);
    mg_release_all(arena, 2, (mg_node[]){a, result});
    return y;
}

static void moon_make(points *p, int first, int count, int label, mg_arena *arena)
{
    const double pi = 3.141592653589793;
    for (int i = 0; i < count; i++) {
        double angle = pi * i / (count > 2 ? count - 1 : 1);
        double x = number(arena, MG_COS, angle), y = number(arena, MG_SIN, angle);
        if (label) x = 1.0 - x, y = 0.5 - y;
        point_set(p, first + i, x, y, label);
    }
}

static void points_swap(points *p, int i, int j)
{
    double x = p->xy[2 * i], y = p->xy[2 * i + 1];
    int label = p->labels[i];
    point_set(p, i, p->xy[2 * j], p->xy[2 * j + 1], p->labels[j]);
    point_set(p, j, x, y, label);
}

static void moons_make(points *p, mg_rng *rng)
{
    int upper = p->count / 2;
    mg_arena *arena = mg_arena_new(NULL, NULL);
    if (!arena) return;
    moon_make(p, 0, upper, 0, arena);
    moon_make(p, upper, p->count - upper, 1, arena);
    mg_arena_free(arena);
    for (int i = p->count - 1; i > 0; i--)
        points_swap(p, i, (int)(mg_rng_random(rng) * (i + 1)));
    for (int i = 0; i < 2 * p->count; i++) p->xy[i] += mg_rng_normal(rng, 0.0, 0.1);
}

void points_make(points *p, int data_set, int count, mg_rng *rng)
{
    p->count = count < MAX_POINTS ? count : MAX_POINTS;
    p->classes = data_set == MOONS ? 2 : 3;
    if (data_set == QUADRANTS)
        quadrants_make(p, rng);
    else if (data_set == YINYANG)
        yinyang_make(p, rng);
    else
        moons_make(p, rng);
    int train = (int)(0.8 * p->count), known = (int)(0.9 * p->count);
    for (int i = 0; i < p->count; i++)
        p->parts[i] = i < train ? TRAIN : i < known ? VALIDATE : TEST;
}
