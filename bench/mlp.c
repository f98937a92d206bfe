/* mlp.c: training steps of one network, MLP 2-8-3 on 80 rows, as one writes them in C for it
 * alone: tanh, cross-entropy, AdamW, all sizes known to the compiler. bench/programs.py
 * compares programs with it. */
#include <math.h>

enum { ROWS = 80, IN = 2, HIDDEN = 8, OUT = 3 };

typedef struct weights {
    float a[HIDDEN][IN], a0[HIDDEN], b[OUT][HIDDEN], b0[OUT];
} weights;

enum { COUNT = sizeof(weights) / sizeof(float) };

/* Return the loss, and its gradient by the weights. */
static float backward(const weights *w, const float x[ROWS][IN], const int *classes,
                      weights *g)
{
    float hidden[ROWS][HIDDEN], logits[ROWS][OUT], loss = 0.0f;
    *g = (weights){0};
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < HIDDEN; j++)
            hidden[i][j] = tanhf(x[i][0] * w->a[j][0] + x[i][1] * w->a[j][1] + w->a0[j]);
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < OUT; k++) {
            logits[i][k] = w->b0[k];
            for (int j = 0; j < HIDDEN; j++) logits[i][k] += hidden[i][j] * w->b[k][j];
        }
    for (int i = 0; i < ROWS; i++) {
        float largest = fmaxf(fmaxf(logits[i][0], logits[i][1]), logits[i][2]);
        float p[OUT], sum = 0.0f, back[HIDDEN] = {0};
        for (int k = 0; k < OUT; k++) sum += p[k] = expf(logits[i][k] - largest);
        loss += logf(sum) + largest - logits[i][classes[i]];
        for (int k = 0; k < OUT; k++) {
            const float d = (p[k] / sum - (float)(k == classes[i])) / ROWS;
            g->b0[k] += d;
            for (int j = 0; j < HIDDEN; j++) g->b[k][j] += d * hidden[i][j];
            for (int j = 0; j < HIDDEN; j++) back[j] += d * w->b[k][j];
        }
        for (int j = 0; j < HIDDEN; j++) {
            const float d = back[j] * (1.0f - hidden[i][j] * hidden[i][j]);
            g->a0[j] += d;
            g->a[j][0] += d * x[i][0];
            g->a[j][1] += d * x[i][1];
        }
    }
    return loss / ROWS;
}

/* AdamW's step number t, from 1 on. */
static void update(float *w, const float *g, float *m, float *v, int t)
{
    const float lr = 1e-3f, beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f, decay = 1e-2f;
    const float first = 1.0f - powf(beta1, (float)t);
    const float second = sqrtf(1.0f - powf(beta2, (float)t));
    for (int i = 0; i < COUNT; i++) {
        m[i] = beta1 * m[i] + (1.0f - beta1) * g[i];
        v[i] = beta2 * v[i] + (1.0f - beta2) * g[i] * g[i];
        w[i] = (1.0f - lr * decay) * w[i] - lr / first * m[i] / (sqrtf(v[i]) / second + eps);
    }
}

/* Make steps after those that were made; return the loss of the last.
 * w: COUNT weights; moments: 2 * COUNT; x: 80 rows of 2; classes: 80. */
float train(float *w, float *moments, const float *x, const int *classes, int made,
            int steps)
{
    float loss = 0.0f;
    weights g;
    for (int t = made + 1; t <= made + steps; t++) {
        loss = backward((const weights *)w, (const float(*)[IN])x, classes, &g);
        update(w, (const float *)&g, moments, moments + COUNT, t);
    }
    return loss;
}
