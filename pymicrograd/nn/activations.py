"""Activations as modules; what each computes says the function of `functional` that it names."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ShapeError
from . import functional
from .applied import Applied, Elementwise
from .module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]  # fmt: skip


class ReLU(Elementwise):
    """max(x, 0)."""

    function, options = "relu", {"inplace": False}


class ReLU6(Elementwise):
    """min(max(x, 0), 6)."""

    function, options = "relu6", {"inplace": False}


class LeakyReLU(Elementwise):
    """x where x > 0, else negative_slope * x."""

    function, options = "leaky_relu", {"negative_slope": 0.01, "inplace": False}


class RReLU(Elementwise):
    """x where x >= 0, else x times a slope that is random while training."""

    function, options = "rrelu", {"lower": 1.0 / 8, "upper": 1.0 / 3, "inplace": False}

    def _chosen(self) -> dict[str, Any]:
        return {**super()._chosen(), "training": self.training}

    def extra_repr(self) -> str:
        """Return the bounds of the slopes."""
        inplace = ", inplace=True" if self.inplace else ""
        return f"lower={self.lower}, upper={self.upper}{inplace}"


class ELU(Elementwise):
    """x where x > 0, else alpha * (exp(x) - 1)."""

    function, options = "elu", {"alpha": 1.0, "inplace": False}


class CELU(Elementwise):
    """x where x > 0, else alpha * (exp(x / alpha) - 1)."""

    function, options = "celu", {"alpha": 1.0, "inplace": False}


class SELU(Elementwise):
    """A scaled `ELU` that keeps mean 0 and variance 1."""

    function, options = "selu", {"inplace": False}


class GELU(Elementwise):
    """x * Phi(x), Phi the normal distribution function; approximate "none" or "tanh"."""

    function, options = "gelu", {"approximate": "none"}


class SiLU(Elementwise):
    """x * sigmoid(x)."""

    function, options = "silu", {"inplace": False}


class Mish(Elementwise):
    """x * tanh(softplus(x))."""

    function, options = "mish", {"inplace": False}


class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))."""

    function = "sigmoid"


class LogSigmoid(Elementwise):
    """log(sigmoid(x))."""

    function = "logsigmoid"


class Tanh(Elementwise):
    """The hyperbolic tangent."""

    function = "tanh"


class Tanhshrink(Elementwise):
    """x - tanh(x)."""

    function = "tanhshrink"


class Softplus(Elementwise):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x is above the threshold."""

    function, options = "softplus", {"beta": 1.0, "threshold": 20.0}


class Softsign(Elementwise):
    """x / (1 + abs(x))."""

    function = "softsign"


class Softshrink(Elementwise):
    """x less lambd, towards 0."""

    function, options = "softshrink", {"lambd": 0.5}

    def extra_repr(self) -> str:
        """Return lambd."""
        return str(self.lambd)


class Hardshrink(Elementwise):
    """x where abs(x) > lambd, else 0."""

    function, options = "hardshrink", {"lambd": 0.5}

    def extra_repr(self) -> str:
        """Return lambd."""
        return str(self.lambd)


class Hardtanh(Elementwise):
    """min(max(x, min_val), max_val)."""

    function, options = "hardtanh", {"min_val": -1.0, "max_val": 1.0, "inplace": False}


class Hardsigmoid(Elementwise):
    """min(max(x + 3, 0), 6) / 6."""

    function, options = "hardsigmoid", {"inplace": False}


class Hardswish(Elementwise):
    """x * min(max(x + 3, 0), 6) / 6."""

    function, options = "hardswish", {"inplace": False}


class Threshold(Elementwise):
    """x where x > threshold, else value."""

    function = "threshold"
    options: ClassVar[dict[str, Any]] = {
        "threshold": Applied.REQUIRED,
        "value": Applied.REQUIRED,
        "inplace": False,
    }


class GLU(Applied):
    """a * sigmoid(b), a and b the halves along an axis."""

    function, options = "glu", {"dim": -1}


class AlongAxis(Applied):
    """A function of rows along an axis; without one PyTorch's choice, with a warning."""

    options: ClassVar[dict[str, Any]] = {"dim": None}

    def forward(self, input: Any) -> Any:
        """Return what the function gives for a Tensor, or for a list of Values."""
        if isinstance(input, (list, tuple)):
            return getattr(functional, self.function)(input)
        return getattr(functional, self.function)(input, self.dim)

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


class Softmax(AlongAxis):
    """exp(x) over the sum of these along an axis; of a list of Values, of all of them."""

    function = "softmax"


class LogSoftmax(AlongAxis):
    """The logarithm of `Softmax`."""

    function = "log_softmax"


class Softmin(AlongAxis):
    """softmax(-x)."""

    function = "softmin"


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Any) -> Any:
        """Return the softmax over the third axis from the end."""
        if input.ndim not in (3, 4):
            raise ShapeError(f"Softmax2d: input is (N, C, H, W) or (C, H, W), not {input.shape}")
        return functional.softmax(input, -3)


class PReLU(Module):
    """x where x > 0, else weight * x, the weight being trained (He et al. 2015, arXiv:1502.01852).

    Args:
        num_parameters: 1, or as many as there are channels.
        init: the slopes at first; dtype: theirs.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        from ..tensors.creation import full
        from .parameter import Parameter

        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), float(init), dtype=dtype, device=device))

    def forward(self, input: Any) -> Any:
        """Return input, times the weight where it is below 0."""
        return functional.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={self.num_parameters}"
