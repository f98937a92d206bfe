/* vjp.c: the gradient rule of every op on arrays: what a node passes on to an operand.
 *
 * A rule composes ops, so when they are recorded the gradient can be differentiated
 * again, any number of times. */
#include "arrays/rule.h"

/* Only rows with the gradient RULE have one. */
typedef uint32_t (*rule_function)(const rule *r);

#define RULE_OF_NONE(name) NULL
#define RULE_OF_RULE(name) vjp_##name
#define RULE_OF_CALL(name) NULL
#define RULE_OF_PASS(name) NULL
static const rule_function rules[] = {
#define MG_ARRAY(NAME, name, symbol, gradient, traits, takes) RULE_OF_##gradient(name),
#include "ops.def"
};

uint32_t vjp(scope *s, uint32_t y, int which, uint32_t g)
{
    rule r = {s, y, g, which};
    int op = op_of(node_at(s->arena, y));
    if (s->status < 0) return 0;
    if (is_element_op(op)) return vjp_elements(&r, op);
    rule_function find = rules[op - MG_MAP_OP_COUNT];
    uint32_t made = find ? find(&r) : 0;
    s->status = work_status(s->status); /* kernels leave off without a word */
    return s->status < 0 ? 0 : made;
}
