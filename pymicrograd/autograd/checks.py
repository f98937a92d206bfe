"""Gradients compared with differences of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

from .._core import enable_grad
from ..errors import GradientError
from ..random import RNG
from ..tensors.arguments import as_tuple
from ..tensors.creation import randn
from ..tensors.ops import CLONE, DETACH, TensorBase, apply, zeros_of
from .transforms import gradients, leaf_of

__all__ = ["gradcheck", "gradgradcheck"]

# PyTorch's further checks, of what there is not here: batched gradients, masked tensors ...
FURTHER = {
    "check_backward_ad", "check_batched_forward_grad", "check_batched_grad", "check_forward_ad",
    "check_fwd_over_rev", "check_grad_dtypes", "check_rev_over_rev", "check_undefined_grad",
    "fast_mode", "gen_non_contig_grad_outputs", "masked",
}  # fmt: skip


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    **further: Any,
) -> bool:
    """Compare the gradients of a function with differences of its values.

    Args:
        func: takes the inputs; returns a Tensor or a tuple of them.
        inputs: Tensors that require a gradient, of float64, and anything else.
        eps: the distance of the two values that are subtracted, halved.
        atol, rtol: a gradient may be off by atol + rtol * abs(difference quotient).
        raise_exception: raise instead of returning False.
        nondet_tol: how far two backward passes may differ.
        further: PyTorch's other options, `fast_mode` and so on, which change nothing.

    Raises:
        GradientError: a gradient is wrong.

    Example:
        >>> from pymicrograd import tensor
        >>> gradcheck(lambda x: x.sin(), tensor([0.5], dtype="float64", requires_grad=True))
        True
    """
    if not further.keys() <= FURTHER:
        raise TypeError(f"gradcheck: {min(further.keys() - FURTHER)!r} is no option")
    given = as_tuple(inputs)
    by = [i for i, x in enumerate(given) if isinstance(x, TensorBase) and x.requires_grad]
    if not by:
        raise ValueError("gradcheck: no input requires a gradient")
    with enable_grad():
        outputs = [y for y in as_tuple(func(*given)) if isinstance(y, TensorBase)]
    for number, output in enumerate(outputs):
        if not output.dtype.is_floating_point:
            continue
        found = analytical(output, [given[i] for i in by])
        again = analytical(output, [given[i] for i in by])
        for i, gradient, other in zip(by, found, again, strict=True):
            expected = numerical(func, given, i, number, eps)
            same = close(other, gradient, nondet_tol, 0.0)
            if same and close(gradient, expected, atol, rtol):
                continue
            if raise_exception:
                fail_check(number, i, expected, gradient)
            return False
    return True


Matrix = list[list[float]]


def fail_check(number: int, i: int, expected: Matrix, found: Matrix) -> NoReturn:
    """Raise the exception of a wrong gradient."""
    raise GradientError(
        f"gradcheck: output {number} by input {i}, a row for each element of the output\n"
        f"differences of values: {expected}\ngradients: {found}"
    )


def analytical(output: Any, by: list[Any]) -> list[Matrix]:
    """Return the derivatives of an output by each input: a row for each element of the output."""
    count = math.prod(output.shape)
    matrices: list[Matrix] = [[] for _ in by]
    for i in range(count):
        seed = zeros_of(output)
        seed.reshape(count)[i] = 1
        for matrix, g in zip(
            matrices, gradients((output,), tuple(by), (seed,), False), strict=True
        ):
            matrix.append(g.reshape(math.prod(g.shape)).tolist())
    return matrices


def numerical(
    func: Callable[..., Any], given: tuple[Any, ...], which: int, number: int, eps: float
) -> Matrix:
    """Return differences of an output by the elements of one input, over 2 eps."""
    x = apply(CLONE, (apply(DETACH, (given[which],)),))
    x = x.contiguous()
    flat = x.reshape(math.prod(x.shape))
    arguments = (*given[:which], x, *given[which + 1 :])

    def value() -> list[float]:
        with enable_grad():  # a function may ask for gradients of its own
            result = as_tuple(func(*arguments))
        output = [y for y in result if isinstance(y, TensorBase)][number].detach()
        return list(output.reshape(math.prod(output.shape)).tolist())

    columns = []
    for i, middle in enumerate(flat.tolist()):
        flat[i] = middle + eps
        above = value()
        flat[i] = middle - eps
        below = value()
        flat[i] = middle
        columns.append([(a - b) / (2.0 * eps) for a, b in zip(above, below, strict=True)])
    if not columns:
        return [[] for _ in value()]
    return [list(row) for row in zip(*columns, strict=True)]


def close(found: Matrix, expected: Matrix, atol: float, rtol: float) -> bool:
    """Tell whether two matrices agree; NaN agrees with nothing but NaN."""
    return all(
        a == b or abs(a - b) <= atol + rtol * abs(b) or (a != a and b != b)
        for row, other in zip(found, expected, strict=True)
        for a, b in zip(row, other, strict=True)
    )


def normal_seeds(outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return normal numbers, always the same, as gradients of outputs, to differentiate by."""
    generator = RNG(1)
    return tuple(
        randn(*y.shape, generator=generator, dtype=y.dtype, requires_grad=True) for y in outputs
    )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    **further: Any,
) -> bool:
    """Compare the gradients of a function's gradients with differences of those.

    Args:
        func, inputs, eps, atol, rtol, raise_exception, nondet_tol, further: as for
            `gradcheck`.
        grad_outputs: the gradients of the outputs, by default normal numbers.
    """
    given = as_tuple(inputs)
    with enable_grad():
        outputs = as_tuple(func(*given))
    seeds = normal_seeds(outputs) if grad_outputs is None else as_tuple(grad_outputs)
    count = len(given)
    by = [i for i, x in enumerate(given) if isinstance(x, TensorBase) and x.requires_grad]

    def slopes(*arguments: Any) -> tuple[Any, ...]:
        inside = tuple(
            x if i not in by or x.requires_grad else leaf_of(x)
            for i, x in enumerate(arguments[:count])
        )
        results = as_tuple(func(*inside))
        return gradients(results, tuple(inside[i] for i in by), arguments[count:], True)

    options = {"eps": eps, "atol": atol, "rtol": rtol, "nondet_tol": nondet_tol}
    return gradcheck(slopes, given + seeds, raise_exception=raise_exception, **options, **further)
