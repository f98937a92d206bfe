/* scalars.c: the engine of numbers alone, libmicrograd-scalars.a: prints the value and the
 * gradients of tanh(a * b + c / b), of one and of two backwards, and then the bytes that
 * were not freed. */
#include <stdio.h>
#include <stdlib.h>

#include "micrograd.h"

static void *count(void *context, void *memory, size_t old_size, size_t new_size)
{
    *(size_t *)context += new_size - old_size;
    if (new_size) return realloc(memory, new_size);
    free(memory);
    return NULL;
}

int main(void)
{
    size_t bytes = 0;
    mg_arena *arena = mg_arena_new(count, &bytes);
    mg_node inputs[] = {mg_leaf(arena, 0.5), mg_leaf(arena, -1.25), mg_leaf(arena, 0.75)};
    mg_node product = mg_record(arena, MG_MUL, inputs[0], inputs[1]);
    mg_node ratio = mg_divide(arena, inputs[2], inputs[1]);
    mg_node y = mg_record(arena, MG_TANH, mg_record(arena, MG_ADD, product, ratio), 0);
    double value, gradients[3];
    if (y <= 0 || mg_data(arena, 1, &y, &value) != MG_OK) return 1;
    printf("%a\n", value);
    for (int pass = 0; pass < 2; pass++) {
        if (mg_backward(arena, y, 1.0, 0) != MG_OK) return 1;
        if (mg_gradients(arena, 3, inputs, gradients) != MG_OK) return 1;
        printf("%a %a %a\n", gradients[0], gradients[1], gradients[2]);
    }
    mg_arena_free(arena);
    printf("%zu\n", bytes);
    return 0;
}
