"""Products with weights, and layers that only change shapes."""

from __future__ import annotations

import math
from typing import Any

from ..tensors.creation import empty
from . import functional, init
from .module import Module
from .parameter import Parameter, UninitializedParameter

__all__ = ["Bilinear", "Flatten", "Identity", "LazyLinear", "Linear", "Unflatten"]


class Identity(Module):
    """Its input, whatever it was made with."""

    def __init__(self, *args: Any, **named: Any) -> None:
        pass

    def forward(self, input: Any) -> Any:
        """Return input."""
        return input


class Linear(Module):
    """x @ weight.T + bias.

    Args:
        in_features, out_features: sizes of the last axis before and after.
        bias: whether there is one.
        dtype: of the parameters, float32 by default.

    Attributes:
        weight: (out_features, in_features); bias: (out_features), or None. Both are at first
            uniform up to 1 / sqrt(in_features), as PyTorch's.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype, device=device))
        self.bias = Parameter(empty(out_features, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        reset(self.weight, self.bias, self.in_features)

    def forward(self, input: Any) -> Any:
        """Return (..., out_features) of (..., in_features)."""
        return functional.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def reset(weight: Any, bias: Any, inputs: int) -> None:
    """Draw weight and bias uniformly up to 1 / sqrt(number of inputs of an output)."""
    bound = 1.0 / math.sqrt(inputs) if inputs else 0.0
    for parameter in (weight, bias):
        if parameter is not None and parameter.numel():
            init.uniform_(parameter, -bound, bound)


class LazyLinear(Linear):
    """A `Linear` whose in_features is that of its first input; then its class is Linear.

    Args:
        out_features, bias, dtype: as for Linear.
    """

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        self.in_features, self.out_features = 0, out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.bias = UninitializedParameter(device=device, dtype=dtype) if bias else None

    def forward(self, input: Any) -> Any:
        """Make the parameters, become a Linear, and do what it does."""
        self.in_features = input.shape[-1]
        shapes = {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}
        for name, shape in shapes.items():
            if getattr(self, name) is not None:
                getattr(self, name).materialize(shape)
        self.__class__ = Linear  # type: ignore[assignment]
        self.reset_parameters()
        return self.forward(input)


class Bilinear(Module):
    """x1 @ weight[k] @ x2 + bias[k] for each output k.

    Args:
        in1_features, in2_features, out_features: sizes of the last axes.
        bias: whether there is one; dtype: of the parameters.

    Attributes:
        weight: (out_features, in1_features, in2_features); bias: (out_features), or None.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        shape = out_features, in1_features, in2_features
        self.weight = Parameter(empty(shape, dtype=dtype, device=device))
        self.bias = Parameter(empty(out_features, dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        reset(self.weight, self.bias, self.in1_features)

    def forward(self, input1: Any, input2: Any) -> Any:
        """Return (..., out_features)."""
        return functional.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """Several axes as one; by default all but the first.

    Args:
        start_dim, end_dim: the first and the last of them.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        """Return input with fewer axes."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis as several.

    Args:
        dim: the axis; unflattened_size: the sizes that it becomes.
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Any) -> Any:
        """Return input with more axes."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """Return axis and sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
