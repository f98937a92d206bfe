"""Initial values of parameters: each function writes over a Tensor and returns it.

None of them is recorded. A generator is by default the package's. For a weight of shape
(out, in, kernel...) fan_in is in times the kernel's elements, fan_out the same with out.
"""

from __future__ import annotations

import math
from typing import Any

from .._core import no_grad
from ..errors import ArgumentError, ShapeError
from ..tensors.creation import eye, randn
from ..tensors.functions import where
from ..tensors.ops import TensorBase
from ..tensors.warning import warn

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_",
    "normal_", "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_",
    "xavier_uniform_", "zeros_",
]  # fmt: skip

LINEAR = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "sigmoid",
)  # fmt: skip


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """Return the factor that keeps the variance of activations, by the name of their function.

    Args:
        nonlinearity: "linear", "conv2d" ..., "sigmoid", "tanh", "relu", "leaky_relu", "selu".
        param: the slope of leaky_relu, 0.01 by default.

    Raises:
        ValueError: there is no such function, or param is no number.
    """
    if nonlinearity in LINEAR:
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ArgumentError(f"calculate_gain: negative_slope {param!r} is no number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4  # PyTorch's, found by trial
    raise ArgumentError(f"calculate_gain: {nonlinearity!r} is no function whose gain is known")


def fans(tensor: Any, what: str) -> tuple[int, int]:
    """Return fan_in and fan_out."""
    if not isinstance(tensor, TensorBase):
        raise TypeError(f"{what}: a Tensor is needed, not {type(tensor).__name__}")
    if tensor.ndim < 2:
        raise ArgumentError(
            f"{what}: fan in and fan out can not be computed for a tensor of shape {tensor.shape}, "
            "with fewer than 2 dimensions"
        )
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


@no_grad()
def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """Write numbers of the uniform distribution between a and b."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Write numbers of the normal distribution."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Any,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Any:
    """Write numbers of the normal distribution, those outside of a to b drawn again."""
    if not a < b:
        raise ArgumentError(f"trunc_normal_: a = {a} is not below b = {b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warn("trunc_normal_: mean is more than 2 std from [a, b]; few numbers drawn will fit")
    tensor.normal_(mean, std, generator=generator)
    for _ in range(1000):
        outside = (tensor < a).logical_or(tensor > b)
        if not bool(outside.any()):
            return tensor
        tensor.copy_(where(outside, tensor.clone().normal_(mean, std, generator=generator), tensor))
    return tensor.clamp_(a, b)


@no_grad()
def constant_(tensor: Any, val: float) -> Any:
    """Write one number."""
    return tensor.fill_(val)


@no_grad()
def ones_(tensor: Any) -> Any:
    """Write 1."""
    return tensor.fill_(1.0)


@no_grad()
def zeros_(tensor: Any) -> Any:
    """Write 0."""
    return tensor.zero_()


@no_grad()
def eye_(tensor: Any) -> Any:
    """Write the unit matrix.

    Raises:
        ShapeError: the tensor has other than two axes.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: a tensor with 2 dimensions is needed, not shape {tensor.shape}")
    return tensor.copy_(eye(*tensor.shape, dtype=tensor.dtype))


@no_grad()
def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Write kernels that pass channels on, as many as there are, group by group.

    Raises:
        ShapeError: the tensor has no 3, 4 or 5 axes, or groups do not divide the first.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_: 3, 4 or 5 dimensions are needed, not shape {tensor.shape}")
    if tensor.shape[0] % groups:
        raise ShapeError(f"dirac_: {groups} groups do not divide {tensor.shape[0]} channels")
    tensor.zero_()
    outputs = tensor.shape[0] // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for i in range(min(outputs, tensor.shape[1])):
            place = group * outputs + i, i, *middle
            tensor[place] = 1.0
    return tensor


@no_grad()
def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Write uniform numbers up to gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor, "xavier_uniform_")))
    return tensor.uniform_(-bound, bound, generator=generator)


@no_grad()
def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Write normal numbers of deviation gain * sqrt(2 / (fan_in + fan_out))."""
    deviation = gain * math.sqrt(2.0 / sum(fans(tensor, "xavier_normal_")))
    return tensor.normal_(0.0, deviation, generator=generator)


def kaiming_deviation(tensor: Any, a: float, mode: str, nonlinearity: str, what: str) -> float:
    """Return gain / sqrt(fan)."""
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"{what}: mode {mode!r} is neither 'fan_in' nor 'fan_out'")
    fan = fans(tensor, what)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


@no_grad()
def kaiming_uniform_(
    tensor: Any,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """Write uniform numbers up to gain * sqrt(3 / fan) (He et al. 2015, arXiv:1502.01852).

    Args:
        tensor: to be written to; a: the slope of leaky_relu.
        mode: which fan, "fan_in" or "fan_out"; nonlinearity: as for `calculate_gain`.
        generator: by default the package's.
    """
    if 0 in tensor.shape:
        warn("kaiming_uniform_: a tensor without elements stays as it is")
        return tensor
    bound = math.sqrt(3.0) * kaiming_deviation(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return tensor.uniform_(-bound, bound, generator=generator)


@no_grad()
def kaiming_normal_(
    tensor: Any,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """Write normal numbers of deviation gain / sqrt(fan); arguments as for `kaiming_uniform_`."""
    if 0 in tensor.shape:
        warn("kaiming_normal_: a tensor without elements stays as it is")
        return tensor
    deviation = kaiming_deviation(tensor, a, mode, nonlinearity, "kaiming_normal_")
    return tensor.normal_(0.0, deviation, generator=generator)


@no_grad()
def orthogonal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Write rows, or columns where they are fewer, that are orthogonal (arXiv:1312.6120).

    Those of a normal matrix are made so by NumPy's QR decomposition, which is outside of the
    promise of the same bits everywhere.

    Raises:
        ArgumentError: the tensor has fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ArgumentError(f"orthogonal_: 2 dimensions are needed, not shape {tensor.shape}")
    import numpy

    rows, columns = tensor.shape[0], tensor.numel() // max(1, tensor.shape[0])
    flat = randn(rows, columns, dtype=tensor.dtype, generator=generator).numpy()
    q, r = numpy.linalg.qr(flat.T if rows < columns else flat)
    q = q * numpy.sign(numpy.diag(r))
    found = (q.T if rows < columns else q) * gain
    return tensor.copy_(type(tensor.detach())(numpy.ascontiguousarray(found)).reshape(tensor.shape))


@no_grad()
def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Write normal numbers, but for a share of each column, which is 0.

    Raises:
        ShapeError: the tensor has other than two axes.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_: a tensor with 2 dimensions is needed, not shape {tensor.shape}")
    from ..tensors.creation import randperm

    rows, columns = tensor.shape
    count = math.ceil(sparsity * rows)
    tensor.normal_(0.0, std, generator=generator)
    for column in range(columns):
        for row in randperm(rows, generator=generator).tolist()[:count]:
            tensor[row, column] = 0.0
    return tensor


# What PyTorch called them at first.
FORMER = (
    "constant", "dirac", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal", "sparse",
    "uniform", "xavier_normal", "xavier_uniform",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in FORMER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def former(*args: Any, **options: Any) -> Any:
        warn(f"init.{name} is a former name: write init.{name}_")
        return globals()[f"{name}_"](*args, **options)

    former.__name__, former.__doc__ = name, f"Return `{name}_`."
    return former
