/* micrograd.h: the whole public C API of the autograd core.
 *
 * A program of scalars is a graph of nodes in an arena. Recording an op computes its
 * value at once and remembers the operands; mg_backward() then adds the derivative of one
 * node to the gradients of all nodes it depends on. Every number is, to the last bit,
 * what CPython computes for micrograd's expressions: csrc/ops.def holds the formulas.
 *
 * Rules that hold for every function:
 *   - A node is named by a handle > 0, never by a pointer. A function that makes one node
 *     returns its handle, or a negative status; the others return a status, and results
 *     leave by the last parameters.
 *   - A handle returned to the caller is a reference that the caller owns: give it back
 *     with mg_release(). A node lives while a reference or another node uses it.
 *   - A call that fails changes nothing, and leaves nothing in its outputs.
 *   - Every function may be called from any thread; calls on one arena take turns.
 *   - Nothing prints, aborts, recurses, or reads the clock, the locale or the
 *     environment.
 * Common errors, not repeated below: MG_ERR_STALE for a handle that names no node,
 * MG_ERR_NOMEM when the allocator or the byte limit refuses, MG_ERR_LIMIT at 2^30
 * nodes, at 2^30 references to one and above 2^62 bytes of one array; MG_ERR_ARG for an
 * op, a type, a count or another number that has no meaning for the call. */
#ifndef MICROGRAD_H
#define MICROGRAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The lines between the two marks have no preprocessor line: Python's binding reads
 * them. */
/* BEGIN CDEF */

/* ---- status ------------------------------------------------------------------------ */

enum mg_status {
    MG_OK = 0,
    MG_MORE = 1,           /* the budget is used up: call mg_backward_resume() */
    MG_HOOK = 2,           /* a sweep stopped at a watched node */
    MG_CALL = 3,           /* a sweep or backward stopped at a rule of the caller's */
    MG_ERR_NOMEM = -1,     /* out of memory, or the arena's byte limit is reached */
    MG_ERR_LIMIT = -2,     /* more nodes, or a larger array, than there can be */
    MG_ERR_STALE = -3,     /* the handle names no living node of this arena */
    MG_ERR_ARG = -4,       /* an argument is outside its range */
    MG_ERR_BUSY = -5,      /* a backward under way uses it, or must end first */
    MG_ERR_DOMAIN = -6,    /* no real result: log(-1), sin(inf), (-8)**0.5 */
    MG_ERR_OVERFLOW = -7,  /* the result of finite numbers is too large: exp(1000) */
    MG_ERR_ZERODIV = -8,   /* division by zero: 0.0 ** -1 */
    MG_ERR_SHAPE = -9,     /* shapes do not fit */
    MG_ERR_DTYPE = -10,    /* the op has no meaning for the type */
    MG_ERR_INDEX = -11,    /* an index is out of range */
    MG_ERR_READONLY = -12, /* the memory may not be written to */
    MG_ERR_VIEW = -13,     /* other views would show a change that is to be recorded */
    MG_ERR_GRADIENT = -14, /* nothing here requires a gradient */
    MG_ERR_CHANGED = -15,  /* a value that a gradient needs was written to since */
    MG_ERR_RULE = -16,     /* a rule of the caller's has no gradient of its own */
    MG_ERR_INTERRUPTED = -17, /* the caller gave up: mg_work_begin() */
    MG_ERR_RECORDED = -18, /* what a program cannot do again */
    MG_ERR_FILE = -19      /* no program file, or a damaged one */
};

/* Say in a few English words what a status means; never NULL. */
const char *mg_status_text(int status);

/* Name version, compiler, flags and source of this library, as "key: value" lines. */
const char *mg_build_info(void);

/* ---- giving up --------------------------------------------------------------------- */

/* From now on let long calls of this thread ask every few milliseconds whether to give
 * up: gives_up(context) says so with a number that is not 0, and may not call the library.
 * A call that is given up changes nothing and returns MG_ERR_INTERRUPTED; a sweep returns
 * MG_MORE, and can be gone on with. What writes to arrays or numbers that there are does
 * not ask once it has begun; ops, arrays and sweeps do while they wait for another thread's
 * call. Errors: MG_ERR_BUSY for a second work of the same thread. */
int mg_work_begin(int (*gives_up)(void *context), void *context);
/* Ask no longer. Returns MG_ERR_INTERRUPTED if a call was given up.
 * Errors: MG_ERR_ARG where there was no beginning. */
int mg_work_end(void);
/* From now on let calls of this thread that ask while they wait return at once where they
 * would have to wait, as if given up; or, with `on` 0, no longer. */
int mg_work_hurry(int on);

/* ---- random numbers: xorshift64* (Vigna 2016, doi:10.1145/2845077) ----------------- */

typedef struct mg_rng {
    uint64_t state; /* never 0 */
    double spare;   /* the second number of the last pair that mg_rng_normal() made */
    int has_spare;
} mg_rng;

/* Start a generator. Errors: MG_ERR_ARG for seed 0, whose stream would be zeros for
 * ever. */
int mg_rng_seed(mg_rng *rng, uint64_t seed);
/* Return the next 32 random bits. */
uint32_t mg_rng_u32(mg_rng *rng);
/* Return a number from [0, 1), a multiple of 2^-24. */
double mg_rng_random(mg_rng *rng);
/* Return a + (b - a) * mg_rng_random(). */
double mg_rng_uniform(mg_rng *rng, double a, double b);
/* Return a normal number: Marsaglia's polar method (SIAM Review 6, 1964) on a portable
 * log. */
double mg_rng_normal(mg_rng *rng, double mean, double deviation);
/* Fill out[0..n) with a random order of 0..n-1 (Fisher-Yates from the end).
 * Errors: MG_ERR_ARG for n < 0 or n > 2^32. */
int mg_rng_permutation(mg_rng *rng, int64_t n, int64_t *out);

/* ---- arena ------------------------------------------------------------------------- */

typedef struct mg_arena mg_arena;
typedef int64_t mg_node; /* generation << 32 | index, below 2^62 */

/* The allocator hook, in the manner of realloc: memory NULL allocates, new_size 0 frees
 * and returns NULL; sizes in bytes. NULL for a new_size > 0 means that there is no
 * memory. */
typedef void *(*mg_allocator)(void *context, void *memory, size_t old_size,
                              size_t new_size);

/* Make an arena; allocator NULL takes malloc's. Returns NULL when there is no memory. */
mg_arena *mg_arena_new(mg_allocator allocator, void *context);
/* Free an arena with all its nodes; NULL is fine. No other call may be under way. */
void mg_arena_free(mg_arena *arena);
/* Refuse to hold more than `size` bytes (0: no limit), and give back what waits to be used
 * again. Errors: none; what is in use stays. */
int mg_arena_limit(mg_arena *arena, size_t size);
/* For tests of running out of memory: let the next `after` allocations pass, then refuse
 * one, or with `persistent` all that follow; after < 0 ends it. */
int mg_arena_fail(mg_arena *arena, int64_t after, int persistent);

typedef struct mg_usage {
    int64_t nodes;     /* living nodes */
    int64_t capacity;  /* nodes that fit without another allocation */
    size_t bytes;      /* held now, bookkeeping and scratch memory included */
    size_t peak_bytes; /* most ever held */
} mg_usage;

/* Report what an arena holds. */
int mg_arena_usage(mg_arena *arena, mg_usage *usage);
/* Call before fork(), in the thread that forks: waits until no call is under way. */
void mg_arena_before_fork(mg_arena *arena);
/* Call after fork(), in the parent (child 0) and in the child (child 1), which abandons a
 * backward that another thread had under way. */
void mg_arena_after_fork(mg_arena *arena, int child);

/* Tell whether a call that lasts is under way, which others wait for. */
int mg_arena_lasts(mg_arena *arena);

/* Add one reference to a node. */
int mg_retain(mg_arena *arena, mg_node node);
/* Give back one reference; nodes that nothing uses any more are freed. A stale handle is
 * MG_ERR_STALE and otherwise harmless; so is one of which no reference is left to give
 * back, though other nodes still use what it names. While another thread's call lasts it
 * is left to that one, and MG_OK. */
int mg_release(mg_arena *arena, mg_node node);
/* Give back one reference for each of `count` handles, the last first. A handle that is
 * stale, or stands there more often than there are references, is MG_ERR_STALE. While
 * another thread's call lasts, up to 64 are left to that one, as above; more wait. */
int mg_release_all(mg_arena *arena, int64_t count, const mg_node *nodes);
/* Return how many handles and nodes refer to a node. */
int64_t mg_references(mg_arena *arena, mg_node node);

/* ---- ops --------------------------------------------------------------------------- */

/* Ops are numbered 0 .. mg_op_count() - 1 in the order of ops.def; 0 is the leaf, those
 * below mg_scalar_op_count() are ops of numbers and of elements, those below
 * mg_element_op_count() of elements; the others are ops of whole arrays. A row that is
 * added moves the numbers behind it: what outlives a build stores names. */
int mg_op_count(void);
int mg_scalar_op_count(void);
int mg_element_op_count(void);

/* What is to be known of an op besides its columns. */
enum mg_trait {
    MG_INTERNAL = 1,       /* users meet it under another name, or not at all */
    MG_TAKES_NUMBER = 2,   /* an elementwise op with a number beside its operands: K */
    MG_CHEAP = 4,          /* computed in floats, as cheap an element as a sum */
    MG_CHECKS_ZERO = 8,    /* of integers, operand 1 may not be 0: MG_ERR_ZERODIV */
    MG_CHECKS_SIGN = 16,   /* of integers, a number below 0 as operand 1: MG_ERR_DOMAIN */
    MG_VIEW = 32,          /* the result shares the memory of operand 0 */
    MG_IN_PLACE = 64,      /* an op of whole arrays that mg_apply_in_place() has */
    MG_TAKES_MEMORY = 128, /* mg_apply_over() has it */
    MG_PADS = 256,         /* the result grows with the integers */
    MG_OUTER = 512,        /* the work grows with the product of operands 0 and 1 */
    MG_CHECKS_ELEMENTS = 1024 /* of the same operands it fails, or has another shape, by what
                                 elements they have: indices, targets */
};

/* Name, symbol (micrograd's _op) and number of operands of an op: 0 to 2, -1 for an op of
 * whole arrays; its traits, joined with |; what it takes, in the words of ops.def:
 * "TAKES(a) PER_AXIS(before, after) NUMBER(value)". NULL or MG_ERR_ARG for a number that
 * is no op. */
const char *mg_op_name(int op);
const char *mg_op_symbol(int op);
int mg_op_arity(int op);
int mg_op_traits(int op);
const char *mg_op_takes(int op);

/* Record a leaf that holds `data`. */
mg_node mg_leaf(mg_arena *arena, double data);
/* Record op(a) or op(a, b); b is 0 for an op of one operand.
 * Errors: MG_ERR_ARG for a wrong op; MG_ERR_DOMAIN, _OVERFLOW, _ZERODIV where Python
 * raises ValueError, OverflowError, ZeroDivisionError. */
mg_node mg_record(mg_arena *arena, int op, mg_node a, mg_node b);
/* Record op(a, leaf(number)), or pow_number, whose exponent is no operand. Errors: as
 * above. */
mg_node mg_record_number(mg_arena *arena, int op, mg_node a, double number);
/* What an operand of a step is where it is no handle: the step's number, as a new leaf;
 * MG_FIRST_RESULT + k, or MG_RESULT(k), is what step k of the batch has made before. */
enum { MG_NUMBER = 1, MG_FIRST_RESULT = 2 };

/* One op of a batch: op(a, b), or op(a) with b 0; MG_LEAF has neither and holds `number`,
 * pow_number has MG_NUMBER as b. */
typedef struct mg_step {
    int op;
    mg_node a, b;
    double number;   /* for a leaf or MG_NUMBER */
    mg_node *result; /* gets a handle; NULL: only other steps use what is made */
} mg_step;

/* Record `count` steps in their order, each as mg_record() or mg_record_number() would.
 * What in the end neither a handle names nor a node uses is freed. On an error nothing is
 * recorded and no result written. *failed, if failed is not NULL, gets the number of the
 * step that an error was met at, else -1.
 * Errors: those of mg_record(); MG_ERR_STALE for a step that does not come before. */
int mg_record_steps(mg_arena *arena, int64_t count, const mg_step *steps,
                    int64_t *failed);
/* Record micrograd's a - b, which is a + b * -1.0. */
mg_node mg_subtract(mg_arena *arena, mg_node a, mg_node b);
/* Record micrograd's a / b, which is a * b**-1.0. Errors: MG_ERR_ZERODIV where b is 0. */
mg_node mg_divide(mg_arena *arena, mg_node a, mg_node b);
/* Record op(a, b), or op(a) with b 0, whose result is `data` without being computed, for a
 * copy of a graph; pow_number has `exponent`, which other ops do not read.
 * Errors: MG_ERR_ARG for a wrong op. */
mg_node mg_record_copy(mg_arena *arena, int op, mg_node a, mg_node b, double exponent,
                       double data);
/* Record a node of the caller's: `data`, and count >= 1 operands. Its gradient times
 * factors[i] is added to that of operand i; with factors NULL nothing is passed on.
 * Errors: MG_ERR_ARG for a count < 1. */
mg_node mg_given(mg_arena *arena, double data, int64_t count, const mg_node *operands,
                 const double *factors);
/* From now on let backward stop at a node, also at a leaf, for the caller to do what its
 * rule did; or, with `called` 0, no longer. */
int mg_node_call(mg_arena *arena, mg_node node, int called);
/* Do the one step of a node in a backward: add to the gradients of its operands what it
 * passes on, by its own rule even where the caller is called.
 * Errors: what the formula raises; MG_ERR_BUSY. */
int mg_node_flow(mg_arena *arena, mg_node node);

enum { MG_GIVEN = 255 }; /* what mg_node_op() says of a node of mg_given() */

/* Read a node's op; the number of its operands; its operand number `which`, as a new
 * reference; its constant exponent; its factors, as many as operands: those of
 * mg_given(), else what its formula passes on of a gradient of 1.
 * Errors: MG_ERR_ARG for a node that has no such thing. */
int mg_node_op(mg_arena *arena, mg_node node);
int64_t mg_node_operands(mg_arena *arena, mg_node node);
mg_node mg_node_operand(mg_arena *arena, mg_node node, int64_t which);
int mg_node_factors(mg_arena *arena, mg_node node, double *out);
int mg_node_exponent(mg_arena *arena, mg_node node, double *exponent);
/* Read data or gradients of `count` nodes into out[0..count). */
int mg_data(mg_arena *arena, int64_t count, const mg_node *nodes, double *out);
int mg_gradients(mg_arena *arena, int64_t count, const mg_node *nodes, double *out);
/* Write them. Errors: MG_ERR_BUSY for a node that a backward under way uses. */
int mg_set_data(mg_arena *arena, int64_t count, const mg_node *nodes, const double *data);
int mg_set_gradients(mg_arena *arena, int64_t count, const mg_node *nodes,
                     const double *to);
int mg_zero_gradients(mg_arena *arena, int64_t count, const mg_node *nodes);

/* From now on, where Python's floats raise (MG_ERR_DOMAIN, OVERFLOW, ZERODIV), record
 * IEEE 754's infinity or NaN instead; a backward keeps to what held when it began. For
 * all threads of the arena. Returns what it was; at first 0. */
int mg_set_ieee(mg_arena *arena, int on);

/* ---- backward ---------------------------------------------------------------------- */

/* Add d root / d leaf, times `seed`, to the gradient of every leaf that root depends on.
 * Clears the gradients of the nodes between, sets root's to `seed`, then visits nodes in
 * reversed depth-first postorder, operands in operand order, as micrograd does. The work
 * stops after about `budget` nodes with MG_MORE (0: no budget); between slices other
 * calls may run. At a node of mg_node_call() it stops with MG_CALL: mg_backward_node()
 * names it, and until it is resumed anything may be read and written, and another
 * backward may run in between.
 * Errors: MG_ERR_BUSY while another backward is under way; what a gradient formula
 * raises: then leaf gradients are as before, those of the nodes between 0. */
int mg_backward(mg_arena *arena, mg_node root, double seed, int64_t budget);
/* Go on with the backward under way. Errors: MG_ERR_ARG when there is none. */
int mg_backward_resume(mg_arena *arena, int64_t budget);
/* Give up the backward under way, if any, as if it had failed. */
int mg_backward_cancel(mg_arena *arena);
/* Return the node at which a backward has stopped, without a reference. */
mg_node mg_backward_node(mg_arena *arena);
/* Of the backwards that have stopped with MG_CALL, make the one at a node that which the
 * other calls are about; else it is the last one. Backwards without nodes in common may so
 * end in any order. Errors: MG_ERR_ARG where none has stopped there; MG_ERR_BUSY. */
int mg_backward_select(mg_arena *arena, mg_node at);
enum { MG_MEETS_LEAVES = 1, MG_MEETS_NODES = 2 };
/* Tell what a backward from root would have in common with what the one that has stopped
 * at a node still is to use: 0 (nothing), leaves alone, or other nodes, whose gradients it
 * would clear. Errors: those of mg_backward_select(). */
int mg_backward_meets(mg_arena *arena, mg_node root, mg_node at);
/* Begin a backward that leaves no gradient behind: those of all its nodes begin at 0.
 * It goes on as another one, but with MG_OK it stays until mg_derivatives(), which reads
 * d root / d inputs[i] into out[0..count) and puts all gradients back as they were; or
 * until it is given up. Errors: those of mg_backward(). */
int mg_derive(mg_arena *arena, mg_node root, int64_t budget);
int mg_derivatives(mg_arena *arena, int64_t count, const mg_node *inputs, double *out);
/* Record d root / d inputs[i] as nodes, which can be differentiated again; an input that
 * root does not depend on gets a leaf 0.0. Reads and writes no gradients.
 * Errors: what a gradient formula raises; MG_ERR_RULE where a node of the caller's is on
 * the way; MG_ERR_BUSY while a backward is under way. */
int mg_grad(mg_arena *arena, mg_node root, int64_t count, const mg_node *inputs,
            mg_node *out);

/* ---- bulk builders: one call records the nodes that micrograd's Python loops would - */

/* Record a multilayer perceptron on `rows` examples.
 * Each neuron is act = b; act = act + w[i] * x[i] for i in order; then `activation`, an
 * op of one operand, or -1 for none; `last_activation` is that of the last layer.
 *   sizes        (layers + 1): inputs, then neurons of each layer
 *   parameters   layer by layer, neuron by neuron, w[0] .. w[nin - 1], b
 *   inputs       (rows, sizes[0]) handles; where one is 0, or all if NULL, numbers[]
 *                holds a number, recorded as a leaf at each use
 *   numbers      (rows, sizes[0]) or NULL
 *   outputs      (rows, sizes[layers]) new references
 * Errors: MG_ERR_ARG for a size < 1 or a wrong activation; what the activation raises. */
int mg_mlp(mg_arena *arena, int64_t layers, const int64_t *sizes, int activation,
           int last_activation, const mg_node *parameters, int64_t rows,
           const mg_node *inputs, const double *numbers, mg_node *outputs);
/* Record one dense layer: mg_mlp() with one layer. */
int mg_dense(mg_arena *arena, int64_t nin, int64_t nout, int activation,
             const mg_node *parameters, int64_t rows, const mg_node *inputs,
             const double *numbers, mg_node *outputs);

enum mg_reduction { MG_REDUCE_NONE, MG_REDUCE_SUM, MG_REDUCE_MEAN };

/* Record -log(softmax(logits)[target]) of each row.
 * With `shifted` the row's maximum is subtracted first, as a constant: no overflow.
 *   logits    (rows, classes);  targets  (rows), 0 .. classes - 1
 *   outputs   (rows) for MG_REDUCE_NONE; else 1: 0.0 + loss + loss ..., times 1 / rows
 *             for MEAN
 * Of the probabilities only the target's is recorded: the loop's others die with it.
 * Errors: MG_ERR_ARG for a target out of range; unshifted: MG_ERR_OVERFLOW,
 * MG_ERR_ZERODIV. */
int mg_cross_entropy(mg_arena *arena, int64_t rows, int64_t classes,
                     const mg_node *logits, const int64_t *targets, int shifted,
                     int reduction, mg_node *outputs);
/* Record x[0] + 0.0 + x[1] + ..., as Python's sum() does; count >= 1. */
mg_node mg_sum(mg_arena *arena, int64_t count, const mg_node *x);
/* Record sum(x) * count**-1.0; count >= 1. */
mg_node mg_mean(mg_arena *arena, int64_t count, const mg_node *x);
/* Record the sum of a[i] * b[i]; count >= 1. */
mg_node mg_dot(mg_arena *arena, int64_t count, const mg_node *a, const mg_node *b);
/* Record exp(x[i] - max) / sum of them; count >= 1. */
int mg_softmax(mg_arena *arena, int64_t count, const mg_node *x, mg_node *outputs);
/* Record x[i] * (mean of squares + epsilon)**-0.5 (Zhang and Sennrich 2019,
 * arXiv:1910.07467, without gain); count >= 1. */
int mg_rmsnorm(mg_arena *arena, int64_t count, const mg_node *x, double epsilon,
               mg_node *outputs);

/* ---- optimizers: one step on distinct leaves; on an error none of them changes ----- */

/* p -= lr * d with g = gradient + weight_decay * p and, for momentum != 0,
 * buffer = g at the first step, then momentum * buffer + (1 - dampening) * g;
 * d = buffer, or g + momentum * buffer with `nesterov`.
 * buffer (count) is the caller's, NULL for momentum 0. Errors: MG_ERR_BUSY.
 * Source: PyTorch's torch.optim.SGD; Sutskever et al. 2013. */
int mg_sgd_step(mg_arena *arena, int64_t count, const mg_node *parameters, double *buffer,
                int first_step, double lr, double momentum, double dampening,
                double weight_decay, int nesterov);
enum mg_adam_flag { MG_DECOUPLED = 1, MG_IEEE = 2 };
/* Adam (Kingma and Ba 2015, arXiv:1412.6980), or AdamW (Loshchilov and Hutter 2019,
 * arXiv:1711.05101), in LLM101n's operation order; `step` counts from 1:
 *   g = gradient (+ weight_decay * p, not decoupled)
 *   m = beta1 * m + (1 - beta1) * g            v = beta2 * v + (1 - beta2) * g**2
 *   p -= lr * ((m / (1 - beta1**step)) / ((v / (1 - beta2**step))**0.5 + epsilon)
 *              (+ weight_decay * p, decoupled))
 * flags: MG_DECOUPLED is AdamW; MG_IEEE: infinities and NaNs are no errors.
 * m, v (count) are the caller's. Errors: MG_ERR_OVERFLOW, MG_ERR_ZERODIV, MG_ERR_BUSY. */
int mg_adam_step(mg_arena *arena, int64_t count, const mg_node *parameters, double *m,
                 double *v, int64_t step, double lr, double beta1, double beta2,
                 double epsilon, double weight_decay, int flags);

/* ---- programs of numbers ------------------------------------------------------------ */

/* A step of SGD or Adam on numbers, as mg_sgd_step() and mg_adam_step() take it; all memory
 * is the caller's, who may change the hyperparameters between two runs. */
typedef struct mg_number_update {
    int is_adam, decoupled, nesterov;
    int64_t count;             /* of parameters */
    const mg_node *parameters; /* (count), distinct leaves */
    double *first, *second;    /* (count): m and v; or the velocity, NULL without momentum */
    int64_t *steps;            /* of Adam: how many were made */
    unsigned char *begun;      /* of SGD: whether the velocity has made a step */
    double lr, weight_decay;
    double beta1, beta2, epsilon; /* of SGD the first two are momentum and dampening */
} mg_number_update;

/* What one step of training does on a graph, to be done again and again: computes root
 * from its leaves; sets the gradients of the parameters of all updates to 0; adds the
 * gradients of root, as mg_backward(); makes the updates, one after the other. */
typedef struct mg_script mg_script;

enum mg_script_flags {
    MG_UNROLLED = 16 /* one operation after the other: for tests, as 1, 4 and 8, the only
                        width of blocks of lanes that is taken */
};

/* One instruction of a program. */
typedef struct mg_script_part {
    const char *kind; /* "line", "lanes", "chain", "pack", "update" */
    int op, which;    /* of lanes: as mg_script_failure has it; else -1 */
    int64_t count;    /* operations, lanes, blocks, numbers, parameters */
    int64_t width, terms; /* of chains: lanes of a block, products of a lane */
} mg_script_part;

typedef struct mg_script_info {
    int64_t operations;   /* computed in a run, of numbers */
    int64_t instructions, lines, lanes, chains, packs, packed;
    int64_t slots;        /* numbers that a run keeps */
    int64_t bytes;
    int64_t inputs, outputs, updates;
    int has_loss;         /* mg_script_run() tells it; a recording has none */
    int is_portable;      /* read from a file whose functions were those of SPEC.md */
} mg_script_info;

/* What a run stopped at. */
typedef struct mg_script_failure {
    int op;         /* of ops.def; -1: an update */
    int which;      /* 0: its value; 1, 2: what it passes on to its first, second operand */
    double a, b;    /* its operands */
    int64_t number; /* of the update, where it is one */
} mg_script_failure;

/* Make a program of the graph below root, which stays as it is and is not needed any more.
 * Leaves that handles name, and the parameters of the updates, are read at each call of
 * mg_script_run() and written at its end, as root is while it lives; other leaves are
 * constants, but for those that mg_softmax() and mg_cross_entropy() subtract. updates[i]
 * have to stay where they are. The program is to be freed before the arena.
 * Errors: MG_ERR_RULE for a graph with nodes of the caller's; MG_ERR_ARG for a parameter
 * that is no leaf; MG_ERR_BUSY. */
int mg_script_compile(mg_arena *arena, mg_node root, int64_t update_count,
                      mg_number_update *const *updates, int flags, mg_script **made);
/* Or make a program of what calls do: record, from now on, numbers that are computed,
 * backwards, gradients and data that are set, and steps of optimizers, of which
 * mg_script_update() tells before each. inputs are leaves whose data mg_script_put() gives
 * to each run. Other leaves that there are are read at each run and written; those that are
 * made meanwhile are constants. It is one recording at a time, of all threads of the arena.
 * Errors: MG_ERR_BUSY; MG_ERR_ARG for an input that is no leaf. Meanwhile MG_ERR_RECORDED
 * of calls that read what depends on inputs or leaves, or that a program cannot do. */
int mg_script_open(mg_arena *arena, int64_t input_count, const mg_node *inputs);
int mg_script_update(mg_arena *arena, mg_number_update *update);
/* While recording let leaf, which was just made and not used yet, be what is at a place of
 * nodes: its data become those of nodes[index], and a node that is computed from it is
 * computed from that. index is an input; in each run it says anew which one it is, an
 * integer below count. Or let it be Python's max() of their data, and its gradient go
 * nowhere: of one node a detached copy. Where the order of backward cannot be said for
 * all indices, the recording goes on, and its end returns MG_ERR_RULE.
 * Errors: MG_ERR_ARG for an index that is no input or not in range. MG_ERR_RECORDED, at
 * the next call, where what was chosen is used after leaves were changed. */
int mg_script_choose(mg_arena *arena, mg_node leaf, mg_node index, int64_t count,
                     const mg_node *nodes);
int mg_script_largest(mg_arena *arena, mg_node leaf, int64_t count, const mg_node *nodes);
/* Make the program; outputs are what mg_script_get() copies the data of, from the last run.
 * Errors: MG_ERR_RECORDED where something failed meanwhile; MG_ERR_ARG where nothing is
 * recorded. Then, too, it is over; after MG_ERR_INTERRUPTED it goes on. MG_MORE, and no
 * program, where a backward was given up in the middle, and made again: record anew. */
int mg_script_close(mg_arena *arena, int64_t output_count, const mg_node *outputs,
                    int flags, mg_script **made);
/* Give it up, if there is one. */
int mg_script_cancel(mg_arena *arena);
int mg_script_put(mg_script *script, const double *inputs);
int mg_script_get(mg_script *script, double *outputs);
/* Make `runs` steps, or fewer: after about `budget` operations (0: no budget) MG_MORE is
 * returned. *done gets the number of steps that were made, losses (runs) the data of root
 * at each. With `flags` MG_IEEE infinities and NaNs are no errors.
 * Errors: those of the ops, the first that a loop of single calls would meet; the nodes
 * then are as they would be after it. MG_ERR_INTERRUPTED after whole steps: a long one is
 * given up before its first update. MG_ERR_BUSY where a backward uses one of them. */
int mg_script_run(mg_script *script, int64_t runs, int64_t budget, int flags,
                  int64_t *done, double *losses);
/* Tell what the last run that failed stopped at; of what a program consists. */
int mg_script_failed(mg_script *script, mg_script_failure *failure);
int mg_script_describe(mg_script *script, mg_script_info *info);
/* Describe instruction number `which`. Errors: MG_ERR_ARG where there is none. */
int mg_script_part_of(mg_script *script, int64_t which, mg_script_part *part);
/* Write to out[0..count) the leaves that a program reads or writes, its own still; returns
 * how many there are. */
int64_t mg_script_found(mg_script *script, int64_t count, mg_node *out);
/* Write a program to a file's bytes to[0..size), as SPEC.md has them, with what its nodes,
 * its inputs and its updates hold; names (one for each of mg_script_found(), NULL or "":
 * none) are UTF-8; names NULL: those of the file that it was read from. Returns the size of
 * the file; where there is less room nothing is written. */
int64_t mg_script_save(mg_script *script, const char *const *names, size_t size, void *to);
/* Make a program of a whole file, which is checked; its nodes are new leaves and its updates
 * its own: mg_script_given() returns number `which`, whose numbers may be changed between
 * runs, NULL where there is none. It computes the same bits as the one that was saved.
 * Errors: MG_ERR_FILE; MG_ERR_NOMEM; MG_ERR_INTERRUPTED; MG_ERR_BUSY while a recording is
 * open. */
int mg_script_load(mg_arena *arena, const void *from, size_t size, mg_script **made);
mg_number_update *mg_script_given(mg_script *script, int64_t which);
/* Return the name of a node of mg_script_found(), "" for none; the program's. */
const char *mg_script_name(mg_script *script, int64_t which);
/* Tell what a whole file has a program of: 1 numbers, 2 arrays. Errors: MG_ERR_FILE;
 * MG_ERR_INTERRUPTED. */
int mg_file_kind(const void *from, size_t size);
/* Free a program; NULL is fine. */
void mg_script_free(mg_script *script);

/* What an instruction does, for those who write it elsewhere. Slots are numbers of an array
 * of doubles, each written once a step. `words`, the program's:
 *   line    for each of `count` operations code, to, a, b, y, g (slots), sequence
 *   lanes   a sequence for each lane, or nothing: lane i computes `code` of slots a + i ..,
 *           or of a .. where modes has 1 (a), 2 (b), 4 (y), 8 (g), to slot to + i
 *   chain   for each of `count` blocks a start, and slots a, b of each of `terms` products:
 *           of `width` slots, or of one where modes has 1 (a), 2 (b), 4 (start)
 *   pack    the slots that are copied to `to` + i
 *   update  nothing: number `first`, data from a, gradients from g, to `to`
 * Code 3 * op + which is as in mg_script_failure; behind those of all ops comes "b if b > a,
 * else a", and, in lines, y + a * b. A sequence is the number of what is computed in the
 * order of the loop that the program stands for. */
typedef struct mg_script_code {
    const char *kind;
    int64_t code, width, modes, count, terms, to, a, b, y, g, first, sequence;
    const uint32_t *words;
    int64_t word_count;
} mg_script_code;

/* How a program begins a step and ends it. A node is read to slots data and gradient (0: it
 * is not); what is held, data of all nodes, then gradients, gets `saves`, runs of slots
 * (from, to, count), or after a failure those of `writes` (sequence, node, is_gradient,
 * slot) that come no later. */
typedef struct mg_script_layout {
    int64_t slots, nodes, updates, loss, inputs, input_count, output_count;
    int64_t write_count, save_count;
    const double *values; /* (slots), of the last run; constants lie there */
    const uint32_t *outputs, *writes, *saves;
} mg_script_layout;

typedef struct mg_script_node {
    int64_t data, gradient; /* slots */
    mg_node handle;
    double value, slope; /* its data and its gradient now; 0 of one that is no more */
} mg_script_node;

/* Errors of the two with a number: MG_ERR_ARG where there is none. */
int mg_script_code_of(mg_script *script, int64_t which, mg_script_code *code);
int mg_script_node_of(mg_script *script, int64_t which, mg_script_node *shown);
int mg_script_layout_of(mg_script *script, mg_script_layout *layout);
/* Do instruction number `which` so many times, on what its slots hold, and change nothing
 * else: to find out how long it takes. Number 0 reads the nodes; others need those before
 * them. Errors: MG_ERR_ARG; MG_ERR_BUSY. */
int mg_script_repeat(mg_script *script, int64_t which, int64_t times);
/* Return the formula of an op in C: of its value (which = 0), or of what it passes on to its
 * first (1) or second (2) operand. It is of a, b, y, g, functions of numbers/float.c and of
 * formulas of their own names; NULL for an op that numbers do not have. */
const char *mg_op_formula(int op, int which);

/* ---- arrays: nodes that hold N-dimensional arrays -----------------------------------
 *
 * An array is a node like any other: named by a handle, alive while it is referred to. It
 * is a view of a buffer: a type, a shape of up to 16 axes, strides. Ops on arrays follow
 * csrc/SPEC.md to the last bit. Functions above that read or write numbers refuse arrays
 * with MG_ERR_DTYPE, those below refuse numbers in the same way. An op is recorded, that
 * is its node keeps its operands, if `record` is set and an operand of a floating type
 * requires a gradient; otherwise the result is a leaf. Errors not repeated below:
 * MG_ERR_SHAPE for shapes that do not fit, MG_ERR_DTYPE for a type that an op has no
 * meaning for. */

enum mg_dtype {
    MG_FLOAT32,
    MG_FLOAT64,
    MG_FLOAT16,  /* stored only: computed in float32, rounded once at the end of an op */
    MG_BFLOAT16, /* the upper half of a float32; stored only, as float16 */
    MG_INT64,
    MG_INT32,
    MG_INT16, /* stored only: computed in int32, the last bits are kept */
    MG_INT8,  /* as int16 */
    MG_UINT8,
    MG_BOOL, /* one byte, 0 or 1 */
    MG_DTYPE_COUNT
};
enum { MG_MAX_RANK = 16 };

/* Return the bytes of an element; 0 for what is no type. */
int mg_dtype_size(int dtype);

/* Make a leaf of the given shape, with a copy of `data` (contiguous, row-major), or of
 * zeros where data is NULL. rank 0 .. MG_MAX_RANK, sizes 0 or more.
 * Errors: MG_ERR_ARG for a wrong dtype, rank or size; MG_ERR_LIMIT above 2^62 bytes. */
mg_node mg_array(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                 const void *data);
/* Make a leaf of start + i * step, float64 or int64 (modulo 2^64). Errors: MG_ERR_ARG for
 * a negative count. */
mg_node mg_array_ramp(mg_arena *arena, int64_t count, double start, double step);
mg_node mg_array_ramp_integers(mg_arena *arena, int64_t count, int64_t start,
                               int64_t step);
/* Make a leaf of positions in `axes` axes of these sizes seen as one, from an index for
 * each: contiguous int64 arrays of one shape, indices below 0 counted from the end.
 * Errors: MG_ERR_INDEX where wrong[1] is an index that is out of range for axis wrong[0]. */
mg_node mg_linear_index(mg_arena *arena, int axes, const mg_node *nodes,
                        const int64_t *sizes, int64_t wrong[2]);
/* Fill memory, such as the data of a new array, one number after the other: float32 or
 * float64 with mg_rng_uniform(a, b) or mg_rng_normal(a, b) rounded to it, or int64 from
 * low to high - 1: 32 bits of the generator modulo high - low or, where that is above
 * 2^32, 64, the high ones first. */
enum mg_distribution { MG_UNIFORM, MG_NORMAL, MG_INTEGERS, MG_PERMUTATION };
int mg_rng_fill(mg_rng *rng, int distribution, int dtype, double a, double b,
                int64_t count, void *out);
int mg_rng_fill_integers(mg_rng *rng, int64_t low, int64_t high, int64_t count,
                         int64_t *out);
/* Make a leaf that uses the caller's memory, aligned to its elements, until nothing uses
 * it any more; then mg_released() hands out `owner`, which is not NULL. `strides` are in
 * elements. Errors: as mg_array(). */
mg_node mg_array_share(mg_arena *arena, int dtype, int rank, const int64_t *shape,
                       const int64_t *strides, void *data, int read_only, void *owner);
/* Return the next owner whose memory is not used any more, NULL when there is none. To be
 * called until NULL after calls that may release nodes. */
void *mg_released(mg_arena *arena);
/* Return the owner of the buffer of an array; NULL for the core's own memory. */
void *mg_owner(mg_arena *arena, mg_node node);

/* Keep an object with an array; when the array dies, or another object (NULL: none) takes
 * its place, mg_released() hands it out. */
int mg_attach(mg_arena *arena, mg_node node, void *object);
/* Return what mg_attach() left, or NULL. */
void *mg_attached(mg_arena *arena, mg_node node);
/* Return how many handles there are of arrays in the memory of an array, its own among
 * them; nodes that use these do not count. It takes a look at all nodes. */
int64_t mg_memory_handles(mg_arena *arena, mg_node node);

typedef struct mg_array_info {
    int dtype, rank;
    int64_t count;                /* elements */
    int64_t shape[16], strides[16]; /* of `rank` axes; strides in elements */
    void *data;                   /* the first element; valid while the node lives */
    int op, operands;             /* MG_LEAF and 0 for a leaf */
    int requires_grad, retains_grad, contiguous, read_only;
    int views; /* living arrays that view ops made of the memory; 0: no other shows it */
    int64_t version; /* of the memory: grows when it is written to */
} mg_array_info;

/* Describe an array. */
int mg_array_describe(mg_arena *arena, mg_node node, mg_array_info *info);
/* Return operand number `which` of an array node, as a new reference. */
mg_node mg_array_operand(mg_arena *arena, mg_node node, int which);

/* Apply an op of csrc/ops.def to arrays; there stand its operands, integers and numbers.
 * Operands of elementwise ops are broadcast and cast to their common type, as in PyTorch:
 * `weak`, bit i for operand i, marks arrays without axes that stand for Python numbers,
 * which count only by their kind (bool < int < float) against the others. */
mg_node mg_apply(mg_arena *arena, int op, int operand_count, const mg_node *operands,
                 int integer_count, const int64_t *integers, int number_count,
                 const double *numbers, unsigned weak, int record);
enum mg_number_kind { MG_NUMBER_BOOL, MG_NUMBER_INT, MG_NUMBER_FLOAT };
/* Apply an elementwise op of one or two operands (b 0) with a Python number as operand:
 * which 0: op(number, a), 1: op(a, number), or pow_number. `kind` is one of
 * mg_number_kind; an int's or a bool's value is in `integer`. */
mg_node mg_apply_number(mg_arena *arena, int op, mg_node a, int which, int kind,
                        int64_t integer, double number, int record);
/* Write op(a, b) over a, in a's type; b is broadcast to a's shape; b 0: op(a). The op
 * MG_CAST copies b into a. Nothing is recorded; a's buffer gets a new version.
 * Errors: MG_ERR_DTYPE when the result's kind is above a's (float into int);
 * MG_ERR_READONLY. */
int mg_apply_in_place(mg_arena *arena, int op, mg_node a, mg_node b, unsigned weak);
/* Record an op with the trait MG_TAKES_MEMORY in such a way that the result takes over
 * the memory of operand 0, a, instead of a copy. Errors: MG_ERR_VIEW when views of a's
 * memory are alive that would show the change, and a gradient is to be recorded;
 * MG_ERR_READONLY. */
mg_node mg_apply_over(mg_arena *arena, int op, int operand_count, const mg_node *operands,
                      int integer_count, const int64_t *integers, int record);

/* ---- gradients of arrays ----------------------------------------------------------- */

/* Let a leaf of a floating type require a gradient, or no longer. Errors: MG_ERR_DTYPE;
 * MG_ERR_ARG for a node with operands. */
int mg_require_gradient(mg_arena *arena, mg_node node, int on);
/* Let backward keep the gradient of a node with operands. */
int mg_retain_gradient(mg_arena *arena, mg_node node);
/* Let a sweep stop at this node (MG_HOOK) before its gradient is used. */
int mg_watch_gradient(mg_arena *arena, mg_node node, int on);
/* Return the gradient that backward left at a node, as a new reference, or 0. */
mg_node mg_gradient(mg_arena *arena, mg_node node);
/* Set it; 0 removes it. One that refers to the node keeps it until it is removed. Errors:
 * MG_ERR_SHAPE, MG_ERR_DTYPE unless it is like the node. */
int mg_set_gradient(mg_arena *arena, mg_node node, mg_node gradient);

/* A walk that takes gradients from roots to what they depend on, in reversed depth-first
 * postorder, roots and operands in order. It is one thread's at a time; others may
 * record, and open sweeps of their own, over the same nodes too: any number may be under
 * way at once (one from the inside of another's hook), and none waits for another. */
typedef struct mg_sweep mg_sweep;

enum mg_sweep_flags {
    MG_ACCUMULATE =
        1, /* add to the gradients of leaves and of nodes that retain theirs */
    MG_CREATE_GRAPH = 2, /* record the gradients, so that they can be differentiated */
    MG_GIVE = 4          /* keep the gradients of the inputs for mg_sweep_give() */
};

/* Open a sweep. seeds[i] is the gradient of roots[i], 0 for ones (a root of one element).
 * With input_count > 0, only what leads to the inputs is visited, and only they get
 * gradients. Errors: MG_ERR_GRADIENT when no root requires a gradient; MG_ERR_SHAPE for a
 * seed unlike its root; MG_ERR_ARG for seed 0 of another root. */
int mg_sweep_open(mg_arena *arena, int64_t root_count, const mg_node *roots,
                  const mg_node *seeds, int64_t input_count, const mg_node *inputs,
                  int flags, mg_sweep **sweep);
/* Go on, for about `budget` elements (0: to the end). Returns MG_MORE when the budget is
 * used up; MG_HOOK at a watched node; MG_CALL at an MG_FUNCTION node, for which the
 * caller gives mg_sweep_contribute() for each operand and calls again; MG_OK at the end,
 * when leaves have their gradients. Errors: MG_ERR_CHANGED when a value that a gradient
 * needs was written to since; then, as after every error, gradients are as they were. */
int mg_sweep_run(mg_sweep *sweep, int64_t budget);
/* Return the node a sweep stopped at, or failed at, as a new reference. */
mg_node mg_sweep_node(mg_sweep *sweep);
/* Return the gradient of a node so far, as a new reference; 0 when it has none. That of an
 * output of the function a sweep stopped at is contiguous, unless gradients are recorded. */
mg_node mg_sweep_gradient(mg_sweep *sweep, mg_node node);
/* Replace the gradient of the node a sweep stopped at. Errors: as mg_set_gradient(). */
int mg_sweep_replace(mg_sweep *sweep, mg_node gradient);
/* Add to the gradient of operand `which` of the MG_FUNCTION node a sweep stopped at. */
int mg_sweep_contribute(mg_sweep *sweep, int which, mg_node gradient);
/* Fill out[] with the gradients of the inputs, as new references; 0: not reached. Unless
 * they are recorded, they are contiguous, in memory of their own. Errors:
 * MG_ERR_ARG of a sweep that is not at its end, or was opened without MG_GIVE. */
int mg_sweep_give(mg_sweep *sweep, mg_node *out);
/* Return how many elements the nodes have that a sweep goes through. */
int64_t mg_sweep_elements(mg_sweep *sweep);
/* Free a sweep, finished or not; NULL is fine. */
void mg_sweep_close(mg_sweep *sweep);

/* ---- optimizers for arrays ----------------------------------------------------------
 *
 * Updates, the rules by which parameters are moved against their gradients, are numbered
 * 0 .. mg_update_count() - 1 in the order of updates.def, which says what each takes. */
int mg_update_count(void);
/* Name of an update, and what it takes, in the words of updates.def: "NUMBERS(lr, eps)
 * ARRAYS(sum)". NULL for a number that is no update. */
const char *mg_update_name(int update);
const char *mg_update_takes(int update);

/* Parameters of one set of hyperparameters, and what an update remembers of them. All
 * memory is the caller's. */
typedef struct mg_update_group {
    int64_t count;             /* of parameters */
    const mg_node *parameters; /* (count), distinct leaves of a type of floats */
    const mg_node *arrays;     /* (arrays of the update, count), 0: none; contiguous, of the
                                  parameters' shapes and types, but float32 of float16 */
    double *scalars;           /* (scalars of the update, count); NULL: it has none */
    int64_t *steps;            /* (count): how many each has made before */
    const double *numbers;     /* (numbers of the update) */
} mg_update_group;

/* Make one step of an update on all parameters of some groups that have a gradient, as
 * SPEC.md says; steps counts it. On an error nothing changes. Errors: MG_ERR_DTYPE,
 * MG_ERR_SHAPE, MG_ERR_READONLY; MG_ERR_VIEW where elements share memory; MG_ERR_ARG for
 * no update, or where an array is not contiguous; MG_ERR_STALE where one is missing. */
int mg_array_update(mg_arena *arena, int update, int64_t group_count,
                    const mg_update_group *groups);

/* ---- programs: what was recorded once and runs without its caller -------------------
 *
 * Between mg_record_open() and mg_record_close() the calls of one thread are computed as
 * always, and remembered: ops, sweeps, updates, numbers of generators. The program that is
 * made of them computes the same bits again, any number of times, from what its inputs,
 * and all that it reads but does not make, hold then. */
typedef struct mg_program mg_program;

/* Record the calls of this thread from now on. Errors: MG_ERR_BUSY where one records. */
int mg_record_open(mg_arena *arena);
/* Make a program of what was recorded. inputs are arrays that other ones may take the place
 * of, outputs those that a run makes anew. On an error the recording is given up.
 * Errors: MG_ERR_RECORDED where something was done that a program cannot do again;
 * MG_ERR_ARG where this thread records nothing; MG_ERR_INTERRUPTED. */
int mg_record_close(mg_arena *arena, int64_t input_count, const mg_node *inputs,
                    int64_t output_count, const mg_node *outputs, mg_program **made);
/* Give up recording, if this thread does. */
void mg_record_cancel(mg_arena *arena);
/* Tell whether the calls of this thread are recorded: 0 or 1. */
int mg_recording(mg_arena *arena);
/* Let what follows not be part of a program, or, with `on` 0, be part of it again. Returns
 * what it was. */
int mg_record_pause(mg_arena *arena, int on);
/* Let a program that is recorded draw the elements of a new array anew: by mg_rng_fill(),
 * mg_rng_fill_integers() or mg_rng_permutation(). The generator has to live as long. */
int mg_record_random(mg_arena *arena, mg_node drawn, mg_rng *rng, int distribution,
                     double a, double b, int64_t low, int64_t high);
/* Let a program that is recorded fail with `error`, MG_ERR_ARG or MG_ERR_INDEX, where one of
 * some bools is false, as its caller has done now. about: what they tell of, kept so that
 * mg_program_operand() shows it, or 0. */
int mg_record_require(mg_arena *arena, mg_node test, mg_node about, int error);

/* Write to out[0..count) the arrays that a program reads or writes and does not make, its
 * inputs among them, without references; returns how many there are. */
int64_t mg_program_found(mg_program *program, int64_t count, mg_node *out);
/* Have other arrays, in the order of mg_program_found(), from now on. Errors: MG_ERR_SHAPE
 * where one has another type, shape or strides, or stands twice; nothing changes. */
int mg_program_bind(mg_program *program, int64_t count, const mg_node *nodes);
/* Give update number `which` of a program what mg_array_update() takes; counts and scalars
 * have to live as long. Errors: MG_ERR_ARG where there are more parameters, or fewer. */
int mg_program_update(mg_program *program, int64_t which, int64_t group_count,
                      const mg_update_group *groups);
/* Run a program so many times. *done is how many times it ran to its end. Returns MG_MORE
 * before a run that would be another program: where a leaf has a gradient, or has none,
 * other than when it was recorded, or an update has other parameters than are bound.
 * Errors: those of what was recorded, with everything as it is after the same calls. */
int mg_program_run(mg_program *program, int64_t runs, int64_t *done);
/* Copy data into an input, or out of an output, contiguous and of its type. */
int mg_program_put(mg_program *program, int64_t which, const void *data);
int mg_program_get(mg_program *program, int64_t which, void *data);
/* Return an output of the last run, a new leaf. */
mg_node mg_program_output(mg_program *program, int64_t which);
/* Return an array of an entry, a new leaf, which the next run writes over. Errors: MG_ERR_ARG
 * where there is none. */
mg_node mg_program_operand(mg_program *program, int64_t entry, int which);

/* Steps with batches of rows: of each input that has sources[i], not 0, the rows
 * order[k * rows .. (k + 1) * rows) for step k; order NULL: `rows` after `rows`, from row
 * `first` on. losses[k] gets the element of an output. */
typedef struct mg_fit {
    int64_t steps, rows, first;
    const mg_node *sources; /* (inputs) contiguous arrays */
    const int64_t *order;
    int64_t output;
    double *losses; /* (steps), or NULL */
} mg_fit;

/* Run a program once for each batch. Errors: as mg_program_run(); MG_ERR_INDEX for a row
 * that is not there. */
int mg_program_fit(mg_program *program, const mg_fit *plan, int64_t *done);
enum mg_program_fact {
    MG_ENTRIES, /* how many entries there are */
    MG_BYTES,   /* of memory that the program owns */
    MG_SWEEPS,  /* whether leaves got gradients from a sweep */
    MG_UPDATES, /* how many updates there are */
    MG_INPUTS,
    MG_OUTPUTS, /* how many inputs and outputs there are */
    MG_FAULT    /* which entry failed in the last run, or -1 */
};
/* Return a fact about a program. Name an entry, NULL for a number that is none. */
int64_t mg_program_fact(mg_program *program, int fact);
const char *mg_program_name(mg_program *program, int64_t which);
/* Say what runs do with an entry other than what was recorded; NULL: nothing. */
const char *mg_program_note(mg_program *program, int64_t which);

/* Write a program to a file's bytes to[0..size), aligned to 8, as SPEC.md has them, with what
 * its arrays, their gradients, generators and updates hold; names (one for each of
 * mg_program_arrays(), NULL or "": none) are UTF-8. Returns the size of the file; where there
 * is less room nothing is whole. Errors: MG_ERR_RECORDED where the program does what a file
 * cannot tell, of which mg_program_unsaved() says what it is, else NULL; MG_ERR_GRADIENT
 * where a leaf has a gradient, or has none, other than when it was recorded. */
int64_t mg_program_save(mg_program *program, const char *const *names, size_t size,
                        void *to);
const char *mg_program_unsaved(mg_program *program);
/* Write to out[0..count) the arrays that a file would have, borrowed; returns how many. */
int64_t mg_program_arrays(mg_program *program, int64_t count, mg_node *out);
/* Make a program of a whole file: what it does is done once and recorded, by the calls above,
 * then all is as the file says. Its arrays, generators and counts are its own. A small file
 * may tell of much work, and large results: mg_work_begin() and mg_arena_limit() bound them.
 * Errors: MG_ERR_FILE; MG_ERR_NOMEM; MG_ERR_INTERRUPTED; MG_ERR_BUSY where something is
 * recorded. */
int mg_program_load(mg_arena *arena, const void *from, size_t size, mg_program **made);
/* Return an input, borrowed; 0 for one that the program does not use. */
mg_node mg_program_input(mg_program *program, int64_t which);
/* Write to out and names[0..count) the arrays of the file that a program is from, borrowed,
 * and their names; returns how many there are, 0 for a program from none. */
int64_t mg_program_names(mg_program *program, int64_t count, mg_node *out,
                         const char **names);
/* Free a program; NULL is fine. */
void mg_program_free(mg_program *program);

/* What an entry of a program does, for those who write it elsewhere; pointers are the
 * program's. kind: "call", of an op; "act", work of a gradient rule; "update"; "set", of a
 * leaf's gradient, array 0 or none; "output". */
typedef struct mg_entry {
    const char *kind, *name;
    int array_count, integer_count, number_count; /* a result comes last */
    const int64_t *integers;
    const double *numbers;
    unsigned weak, writes; /* bit i: operand i is a number of Python's; is written to */
    int takes_memory;      /* the result lies where operand 0 does */
    int common, computed;  /* of an elementwise op: the type of its operands, the one that
                            * it is computed in; else -1 */
    int64_t leaf;          /* of "set": the storage of the leaf */
    int64_t group_count;
    const mg_update_group *groups;
} mg_entry;

/* An array of an entry: in which storage (-1: there is none), from which byte on. Of an
 * update they are the gradients, and behind these the parameters. */
typedef struct mg_placed {
    int64_t storage, offset;
    int dtype, rank;
    int64_t shape[16], strides[16]; /* in elements */
} mg_placed;

/* Memory of a program. data: what it holds when a run begins, where that matters: in what
 * is found, what no run changes, what is restored; else NULL. */
typedef struct mg_storage {
    enum { MG_STORAGE_OWNED, MG_STORAGE_FOUND, MG_STORAGE_GRADIENT } role;
    int64_t size, input, output; /* bytes; number among inputs, outputs, or -1 */
    int is_shared, is_contiguous; /* of what is found: with others' views */
    const void *data;
    int is_restored;
} mg_storage;

/* Make a run entry by entry, to find out how long each takes: which -1 begins it, MG_ENTRIES
 * ends it. Errors: as mg_program_run(), which returns MG_MORE like this. */
int mg_program_step(mg_program *program, int64_t which);
/* Tell them by number. Errors: MG_ERR_ARG where there is none. */
int mg_program_entry(mg_program *program, int64_t which, mg_entry *entry);
int mg_program_placed(mg_program *program, int64_t entry, int which, mg_placed *placed);
int mg_program_storage(mg_program *program, int64_t which, mg_storage *found);
/* Return the formula of an elementwise op of arrays in C: as mg_op_formula(), of a, b, y, g,
 * `number` and T, the type. VM_f is f of base/vmath.h, f_T of floats.inc.c, integers.inc.c
 * or of the C library, POWK(x, k) power. */
const char *mg_element_formula(int op, int which);
/* ---- the functions of numbers ------------------------------------------------------- */

enum mg_math { MG_MATH_LIBRARY, MG_MATH_PORTABLE };
/* Choose what numbers take exp, tanh, pow and the like from, in this process: the C
 * library, which gives the digits of CPython on this machine (as at the beginning), or
 * SPEC.md's functions, which give the same digits everywhere. Graphs that exist stay as
 * they are; set it before the first op. Errors: MG_ERR_ARG. */
int mg_set_math(int math);
/* Return what is in use. */
int mg_math(void);

/* ---- instruction sets and threads: neither changes any result ---------------------- */

/* Choose the kernels that arrays are computed with: "baseline", "avx2", "avx512", or NULL
 * for the best that the machine has, which is also what holds before the first call.
 * Errors: MG_ERR_ARG for a name that is none, or that this machine does not have. */
int mg_set_isa(const char *name);
/* Return the name of the kernels in use. */
const char *mg_isa(void);
/* What can be wrong with the arithmetic of a build or of a process. */
enum mg_problems {
    MG_FUSES = 1,           /* fuses operations, or not those of matrix products: a build */
    MG_REORDERS = 2,        /* sums or quotients are rewritten: the build's fault */
    MG_FLUSHES = 4,         /* subnormal numbers become 0: a state of the thread, and */
    MG_ROUNDS_OTHERWISE = 8 /* not to the nearest: only the caller's own numbers differ */
};
/* Return the problems, joined, of the kernels in use and of the mode of the calling
 * thread; 0: none. */
int mg_selftest(void);
/* Set the calling thread to round to the nearest, keep subnormal numbers and trap nothing,
 * and return what held, for mg_mode_leave(). Every call that computes does so itself: no
 * result depends on the mode. This is for what a caller converts or computes beside. */
uint64_t mg_mode_enter(void);
void mg_mode_leave(uint64_t mode);
/* Use up to `count` threads for large work, the caller's among them; 0: one a core.
 * Errors: MG_ERR_ARG for less than 0 or more than 1024. */
int mg_set_num_threads(int count);
/* Return the number of threads in use for large work. */
int mg_num_threads(void);

/* END CDEF */

/* The ops by name: MG_LEAF, MG_ADD, MG_MUL ... */
enum mg_op {
#define MG_OP(NAME, ...) MG_##NAME,
#include "ops.def"
    MG_SCALAR_OP_COUNT, /* ops of numbers come first */
    MG_LAST_SCALAR_OP = MG_SCALAR_OP_COUNT - 1,
#define MG_MAP(NAME, ...) MG_##NAME,
#include "ops.def"
    MG_MAP_OP_COUNT, /* then those of elements */
    MG_LAST_MAP_OP = MG_MAP_OP_COUNT - 1,
#define MG_ARRAY(NAME, ...) MG_##NAME,
#include "ops.def"
    MG_OP_COUNT
};

/* The result of step k of a batch, as an operand of a later one. */
#define MG_RESULT(k) ((mg_node)(k) + MG_FIRST_RESULT)

/* The updates by name: MG_UPDATE_SGD, MG_UPDATE_ADAM ... */
enum mg_update {
#define MG_UPDATE(NAME, ...) MG_UPDATE_##NAME,
#include "updates.def"
    MG_UPDATE_COUNT
};

#ifdef __cplusplus
}
#endif
#endif
