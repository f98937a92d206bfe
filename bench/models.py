"""The networks of tensors that networks.py and programs.py train: weights, data and losses.

Each has a loss for libraries with PyTorch's names, and one for JAX; both begin with the same
weights, of NumPy in float32.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from . import engines
from .engines import NUMPY

# MLPs by name: their layers, the activation between them, rows of a batch.
SHAPES = {
    "MLP 2-8-3 on 80 rows": ((2, 8, 3), "tanh", 80),
    "MLP 2-16-16-2 on 100 rows": ((2, 16, 16, 2), "tanh", 100),
    "MLP 64-128-10 on 64 rows": ((64, 128, 10), "relu", 64),
    "MLP 784-512-512-10 on 128 rows": ((784, 512, 512, 10), "relu", 128),
}
SMALLEST = next(iter(SHAPES))
# microgpt's sizes: one layer of 16 numbers a token, 4 heads, 27 tokens.
GPT = "GPT of 4192 weights on 16 tokens"
WIDTH, HEADS, BLOCK, TOKENS = 16, 4, 16, 27
EPS = 1e-5

LR, BETAS, ADAM_EPS, WEIGHT_DECAY = 1e-3, (0.9, 0.999), 1e-8, 1e-2  # AdamW's


class Start(NamedTuple):
    """The weights, the inputs and their classes, of NumPy."""

    weights: list[Any]
    inputs: Any
    classes: Any


def start(name: str) -> Start:
    """Return what training begins with."""
    numpy = engines.load(NUMPY)
    rng = numpy.random.default_rng(42)

    def uniform(bound: float, *shape: int) -> Any:
        return (rng.uniform(-1.0, 1.0, shape) * bound).astype("float32")

    if name == GPT:
        shapes = [(TOKENS, WIDTH), (BLOCK, WIDTH), *[(WIDTH, WIDTH)] * 4]
        shapes += [(4 * WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (TOKENS, WIDTH)]
        tokens = rng.integers(0, TOKENS, BLOCK + 1)
        return Start([uniform(0.3, *shape) for shape in shapes], tokens[:-1], tokens[1:])
    sizes, _, rows = SHAPES[name]
    weights = []
    for nin, nout in itertools.pairwise(sizes):
        weights += [uniform(nin**-0.5, nout, nin), uniform(nin**-0.5, nout)]
    inputs = rng.standard_normal((rows, sizes[0])).astype("float32")
    return Start(weights, inputs, rng.integers(0, sizes[-1], rows))


def count_of(name: str) -> int:
    """Return the number of weights."""
    return sum(w.size for w in start(name).weights)


def loss(functional: Any, name: str, weights: list[Any], inputs: Any, classes: Any) -> Any:
    """Return the loss, with PyTorch's functions."""
    if name == GPT:
        return gpt_loss(functional, weights, inputs, classes)
    activate, linear = getattr(functional, SHAPES[name][1]), functional.linear
    x = inputs
    for i in range(0, len(weights) - 2, 2):
        x = activate(linear(x, weights[i], weights[i + 1]))
    return functional.cross_entropy(linear(x, *weights[-2:]), classes)


def gpt_loss(f: Any, weights: list[Any], tokens: Any, following: Any) -> Any:
    """Return the GPT's loss of the tokens that follow, with PyTorch's functions."""
    token, position, query, key, value, out, up, down, head = weights

    def heads_of(x: Any) -> Any:
        return x.reshape(BLOCK, HEADS, WIDTH // HEADS).transpose(0, 1)

    x = f.rms_norm(f.embedding(tokens, token) + position, (WIDTH,), eps=EPS)
    normal = f.rms_norm(x, (WIDTH,), eps=EPS)
    parts = [heads_of(f.linear(normal, w)) for w in (query, key, value)]
    attended = f.scaled_dot_product_attention(*parts, is_causal=True)
    x = x + f.linear(attended.transpose(0, 1).reshape(BLOCK, WIDTH), out)
    hidden = f.relu(f.linear(f.rms_norm(x, (WIDTH,), eps=EPS), up))
    return f.cross_entropy(f.linear(x + f.linear(hidden, down), head), following)


def jax_loss(jax: Any, name: str, weights: list[Any], inputs: Any, classes: Any) -> Any:
    """Return the loss on JAX."""
    if name == GPT:
        logits = jax_gpt(jax, weights, inputs)
    else:
        activate = {"tanh": jax.numpy.tanh, "relu": jax.nn.relu}[SHAPES[name][1]]
        x = inputs
        for i in range(0, len(weights) - 2, 2):
            x = activate(x @ weights[i].T + weights[i + 1])
        logits = x @ weights[-2].T + weights[-1]
    scores = jax.nn.log_softmax(logits)
    return -jax.numpy.take_along_axis(scores, classes[:, None], 1).mean()


def jax_gpt(jax: Any, weights: list[Any], tokens: Any) -> Any:
    """Return the GPT's logits on JAX."""
    jnp = jax.numpy
    token, position, query, key, value, out, up, down, head = weights

    def normal_of(x: Any) -> Any:
        return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + EPS)

    def heads_of(x: Any) -> Any:
        return x.reshape(BLOCK, HEADS, WIDTH // HEADS).transpose(1, 0, 2)

    x = normal_of(token[tokens] + position)
    normal = normal_of(x)
    q, k, v = (heads_of(normal @ w.T) for w in (query, key, value))
    seen = jnp.tril(jnp.ones((BLOCK, BLOCK), bool))
    scores = jnp.where(seen, q @ k.transpose(0, 2, 1) / (WIDTH // HEADS) ** 0.5, -jnp.inf)
    attended = jax.nn.softmax(scores) @ v
    x = x + attended.transpose(1, 0, 2).reshape(BLOCK, WIDTH) @ out.T
    return (x + jax.nn.relu(normal_of(x) @ up.T) @ down.T) @ head.T


def jax_train(jax: Any, name: str, inputs: Any, classes: Any) -> Any:
    """Return JAX's compiled function: of a state the loss and the next state."""
    jnp = jax.numpy
    beta1, beta2 = BETAS

    def loss_of(weights: Any) -> Any:
        return jax_loss(jax, name, weights, inputs, classes)

    def update(p: Any, g: Any, m: Any, v: Any, t: Any) -> Any:
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        divisor = jnp.sqrt(v) / jnp.sqrt(1 - beta2**t) + ADAM_EPS
        return (1 - LR * WEIGHT_DECAY) * p - LR / (1 - beta1**t) * (m / divisor), m, v

    @jax.jit  # type: ignore[untyped-decorator]
    def train(state: Any) -> Any:
        weights, first, second, t = state
        value, gradients = jax.value_and_grad(loss_of)(weights)
        moved = [
            update(*each, t + 1) for each in zip(weights, gradients, first, second, strict=True)
        ]
        return value, (*(list(part) for part in zip(*moved, strict=True)), t + 1)

    return train


def jax_start(jax: Any, name: str) -> tuple[Any, Any]:
    """Return JAX's compiled step, and its first state."""
    weights, inputs, classes = jax.tree_util.tree_map(jax.numpy.asarray, tuple(start(name)))
    zeros = [jax.numpy.zeros_like(p) for p in weights]
    state = weights, zeros, zeros, jax.numpy.float32(0.0)
    return jax_train(jax, name, inputs, classes), state
