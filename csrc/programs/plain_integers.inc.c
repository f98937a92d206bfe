/* plain_integers.inc.c: what plain.inc.c has of floats, of T, a type of integers: products
 * wrap around. The library does not include this file. */

/* The sum of a[i] b[i], an element of a product. */
static T OF(dot)(int64_t n, const T *a, int64_t of_a, const T *b, int64_t of_b)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (uint64_t)a[i * of_a] * (uint64_t)b[i * of_b];
    return (T)sum;
}
