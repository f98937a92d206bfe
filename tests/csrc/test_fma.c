/* test_fma.c: fused operations without the instruction, on numbers from the standard input:
 * lines of "d x y z" or "f x y z", in hexadecimal; prints x * y + z of each, once as
 * computed in pairs or by integers, once by integers alone ("d" with x and y not 0). */
#include <stdio.h>
#include <stdlib.h>

#include "base/fma.h"

int main(void)
{
    char line[200], *end;
    while (fgets(line, sizeof line, stdin)) {
        double x = strtod(line + 1, &end), y = strtod(end, &end), z = strtod(end, &end);
        if (line[0] == 'f') {
            printf("%a\n", (double)fma_f32_by_parts((float)x, (float)y, (float)z));
            continue;
        }
        double whole = fma_f64_by_parts(x, y, z);
        printf("%a %a\n", whole, x != 0.0 && y != 0.0 ? fma_by_integers(x, y, z) : whole);
    }
    return 0;
}
