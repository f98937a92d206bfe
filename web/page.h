/* page.h: what the sources of the page share. They stand on micrograd.h alone, and
 * compile for any machine: in a browser the names marked EXPORT are what JavaScript
 * calls.
 *
 * Statuses are those of micrograd.h. Whatever the page shows, losses, gradients,
 * surfaces, texts of numbers, is computed here, in portable math, so that it is what
 * Python prints. */
#ifndef PAGE_H
#define PAGE_H

#include <stdint.h>

#include "micrograd.h"

#if defined(__wasm__)
#define EXPORT __attribute__((visibility("default")))
#else
#define EXPORT
#endif

enum {
    MAX_POINTS = 400,
    MAX_HIDDEN = 4, /* hidden layers */
    MAX_WIDTH = 32, /* neurons of one */
    MAX_CLASSES = 3,
    MAX_NEURONS = MAX_HIDDEN * MAX_WIDTH,
    MAX_PARAMETERS = MAX_WIDTH * 3 + (MAX_HIDDEN - 1) * MAX_WIDTH * (MAX_WIDTH + 1) +
                     MAX_CLASSES * (MAX_WIDTH + 1)
};

/* ---- points.c: data sets ----------------------------------------------------------- */

enum data_set { QUADRANTS, YINYANG, MOONS };
enum part { TRAIN, VALIDATE, TEST };

/* Labelled points of the plane; JavaScript may write to all of it. */
typedef struct points {
    int32_t count, classes;
    double xy[2 * MAX_POINTS];
    int32_t labels[MAX_POINTS], parts[MAX_POINTS];
} points;

/* Draw `count` points, the first 80 % to train on, 10 % to validate, 10 % to test. */
void points_make(points *p, int data_set, int count, mg_rng *rng);

/* ---- text.c: numbers as texts ------------------------------------------------------ */

/* Write a number as Python's repr() does, into 32 characters at least; returns the
 * length. */
int text_of(double x, char *text);
/* Write the SHA-256 of a text as 64 hex digits and a 0. */
void text_hash(const char *text, int32_t length, char *hex);

#endif
