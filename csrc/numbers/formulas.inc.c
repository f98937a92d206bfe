/* formulas.inc.c: the generic operations of ops.def for doubles, as Python's floats have
 * them. They use the name `status` of their includer, who says what FLOAT_POW is, and
 * ends them with ops_undef.inc.c. */
#define ADD(x, y) ((x) + (y))
#define SUB(x, y) ((x) - (y))
#define MUL(x, y) ((x) * (y))
#define DIV(x, y) float_div((x), (y), status)
#define NEG(x) (-(x))
#define POW(x, y) FLOAT_POW((x), (y), status)
#define POWK(x, k) FLOAT_POW((x), (k), status)
#define EXP(x) float_exp((x), status)
#define EXPM1(x) float_expm1((x), status)
#define LOG(x) float_log((x), status)
#define LOG_OR_NAN(x) ((x) < 0.0 ? NAN : float_log((x), status))
#define LOG1P(x) float_log1p((x), status)
#define SIN(x) float_sin((x), status)
#define COS(x) float_cos((x), status)
#define TANH(x) float_tanh(x)
#define ERF(x) float_erf(x)
#define SIGMOID(x) float_sigmoid(x)
#define ABS(x) fabs(x)
#define RELU(x) ((x) < 0.0 ? 0.0 : (x))
#define POSITIVE(x) ((x) > 0.0 ? (x) : 0.0)
#define LARGER(x, y) float_larger((x), (y))
#define STEP(x) ((x) > 0.0 ? 1.0 : 0.0)
#define SIGN(x) ((x) > 0.0 ? 1.0 : (x) < 0.0 ? -1.0 : 0.0)
#define SHARE(x, y) ((x) < (y) ? 0.0 : (x) == (y) ? 0.5 : 1.0)
#define MASK(m, x) MUL(m, x)
#define IF_FLAT(x, y, then, otherwise) ((x) == 0.0 && (y) > 0.0 ? (then) : (otherwise))
#define EITHER(number, element) (number)
#define CONST(c) (c)
#define NONE 0.0
#define A a
#define B b
#define K b
#define Y y
#define G g
