"""Methods by the names of teenygrad's and tinygrad's Tensors, which PyTorch's do not have.

Layers and losses are those of `nn.functional`, makers those of the module; what is different says
docs/from_teenygrad.md.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .._core import no_grad
from .attributes import Attributes
from .conversion import as_tensor
from .dtypes import float32
from .padding import pad

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["MAKERS", "TeenygradMethods", "train"]

# Functions of the module, as `Tensor.zeros(2, 3)`.
MAKERS = (
    "arange",
    "empty",
    "eye",
    "full",
    "manual_seed",
    "ones",
    "rand",
    "randn",
    "stack",
    "zeros",
)
# Functions of `nn.functional` of the same name, and of another.
LAYERS = {
    **{name: name for name in (
        "celu", "elu", "hardswish", "hardtanh", "mish", "quick_gelu", "relu6",
        "scaled_dot_product_attention", "softsign",
    )},
    "binary_crossentropy": "binary_cross_entropy",
    "binary_crossentropy_logits": "binary_cross_entropy_with_logits",
    "leakyrelu": "leaky_relu", "pad2d": "pad", "swish": "silu",
}  # fmt: skip


class train:
    """A block in which `Tensor.training` is True, or what it is given: dropout drops then."""

    def __init__(self, val: bool = True) -> None:
        self.value = val

    def __enter__(self) -> None:
        from .tensor import Tensor

        self.before, Tensor.training = Tensor.training, self.value

    def __exit__(self, *error: object) -> None:
        from .tensor import Tensor

        Tensor.training = self.before


def functional() -> Any:
    """Return the functions of layers, which stand below Tensors."""
    from ..nn import functional

    return functional


def maker(name: str) -> staticmethod[..., Any]:
    """Return a function of the module as a static method."""

    def make(*args: Any, **options: Any) -> Any:
        from ..random import manual_seed
        from . import creation, joining

        found: Any = manual_seed if name == "manual_seed" else getattr(creation, name, None)
        return (found or getattr(joining, name))(*args, **options)

    make.__name__, make.__qualname__ = name, f"Tensor.{name}"
    make.__doc__ = f"Return `pymicrograd.{name}`."
    return staticmethod(make)


def layer(name: str, function: str) -> Callable[..., Any]:
    """Return a function of `nn.functional` as a method."""

    def call(self: Any, *args: Any, **options: Any) -> Any:
        return getattr(functional(), function)(self, *args, **options)

    call.__name__, call.__qualname__ = name, f"Tensor.{name}"
    call.__doc__ = f"Return `nn.functional.{function}`."
    return call


class TeenygradMethods(Attributes):
    """Methods that PyTorch has as functions of other modules, or not at all."""

    __slots__ = ()
    default_type = float32
    training = False
    train = train

    # ---- makers

    @staticmethod
    def randint(*shape: int, low: int = 0, high: int = 10, **options: Any) -> Tensor:
        """Return ints from low to high - 1."""
        from .creation import randint

        return randint(low, high, shape, **options)

    @staticmethod
    def normal(*shape: int, mean: float = 0.0, std: float = 1.0, **options: Any) -> Tensor:
        """Return normal numbers."""
        from .sampling import normal

        return normal(mean, std, shape, **options)

    @staticmethod
    def uniform(*shape: int, low: float = 0.0, high: float = 1.0, **options: Any) -> Tensor:
        """Return numbers from low to high."""
        from .creation import empty

        needs = options.pop("requires_grad", False)
        return empty(*shape, **options).uniform_(low, high).requires_grad_(bool(needs))

    @staticmethod
    def scaled_uniform(*shape: int, **options: Any) -> Tensor:
        """Return numbers between -1 and 1, over the root of how many they are."""
        bound = math.prod(shape) ** -0.5
        return TeenygradMethods.uniform(*shape, low=-bound, high=bound, **options)

    @staticmethod
    def glorot_uniform(*shape: int, **options: Any) -> Tensor:
        """Return numbers within (6 / (fan_in + fan_out))**0.5 (Glorot and Bengio 2010)."""
        bound = math.sqrt(6.0 / (shape[0] + math.prod(shape[1:])))
        return TeenygradMethods.uniform(*shape, low=-bound, high=bound, **options)

    @staticmethod
    def kaiming_uniform(*shape: int, a: float = 0.01, **options: Any) -> Tensor:
        """Return numbers within (6 / (1 + a**2) / fan_in)**0.5 (He et al. 2015)."""
        bound = math.sqrt(6.0 / (1.0 + a * a) / math.prod(shape[1:]))
        return TeenygradMethods.uniform(*shape, low=-bound, high=bound, **options)

    @staticmethod
    def kaiming_normal(*shape: int, a: float = 0.01, **options: Any) -> Tensor:
        """Return normal numbers with the deviation (2 / (1 + a**2) / fan_in)**0.5."""
        deviation = math.sqrt(2.0 / (1.0 + a * a) / math.prod(shape[1:]))
        return TeenygradMethods.normal(*shape, std=deviation, **options)

    def full_like(self: Any, fill_value: Any, **options: Any) -> Tensor:
        """Return a tensor of this shape and type with every element the same."""
        from .creation import full_like

        return full_like(self, fill_value, **options)

    def zeros_like(self: Any, **options: Any) -> Tensor:
        """Return zeros of this shape and type."""
        from .creation import zeros_like

        return zeros_like(self, **options)

    def ones_like(self: Any, **options: Any) -> Tensor:
        """Return ones of this shape and type."""
        from .creation import ones_like

        return ones_like(self, **options)

    # ---- state

    def realize(self: Any) -> Tensor:
        """Return this tensor: nothing is lazy."""
        return self  # type: ignore[no-any-return]

    contiguous_backward = realize

    @staticmethod
    def corealize(lst: Iterable[Any]) -> Any:
        """Return the tensors: nothing is lazy."""
        return lst

    def assign(self: Any, x: Any) -> Tensor:
        """Overwrite the elements, which is not recorded; return this tensor."""
        with no_grad():
            return self.copy_(as_tensor(x))  # type: ignore[no-any-return]

    def cast(self: Any, dtype: Any) -> Tensor:
        """Return `to` of a type."""
        return self.to(dtype)  # type: ignore[no-any-return]

    # ---- axes

    def shrink(self: Any, arg: Sequence[Any]) -> Tensor:
        """Return the part between a begin and an end along each axis; None is all of one."""
        key = tuple(builtins.slice(*pair) if pair else builtins.slice(None) for pair in arg)
        return self[key]  # type: ignore[no-any-return]

    def slice(self: Any, arg: Sequence[Any], value: float = 0.0) -> Tensor:
        """Return `shrink`, with padding where a begin is below 0 or an end past the last."""
        pairs = [pair or (0, n) for pair, n in zip(arg, self.shape, strict=True)]
        inner = [(max(a, 0), min(b, n)) for (a, b), n in zip(pairs, self.shape, strict=True)]
        more = [(max(-a, 0), max(b - n, 0)) for (a, b), n in zip(pairs, self.shape, strict=True)]
        counts = [n for pair in reversed(more) for n in pair]
        return pad(self.shrink(inner), counts, "constant", value)

    def cat(self: Any, *args: Any, dim: int = 0) -> Tensor:
        """Return this tensor and others one after the other along an axis."""
        from .joining import cat

        return cat((self, *args), dim)

    # ---- layers

    def linear(self: Any, weight: Any, bias: Any = None) -> Tensor:
        """Return x @ weight + bias, the weight (in, out); of a vector x * weight + bias."""
        made = self * weight if weight.ndim == 1 else self @ weight
        return made if bias is None else made + bias  # type: ignore[no-any-return]

    def sequential(self: Any, ll: Iterable[Callable[[Any], Any]]) -> Any:
        """Return what functions give, each called with what the one before it gave."""
        for function in ll:
            self = function(self)
        return self

    def conv2d(
        self: Any, weight: Any, bias: Any = None, groups: int = 1, stride: Any = 1,
        dilation: Any = 1, padding: Any = 0,
    ) -> Any:  # fmt: skip
        """Return `nn.functional.conv2d`."""
        return functional().conv2d(self, weight, bias, stride, padding, dilation, groups)

    def conv_transpose2d(
        self: Any, weight: Any, bias: Any = None, groups: int = 1, stride: Any = 1,
        dilation: Any = 1, padding: Any = 0, output_padding: Any = 0,
    ) -> Any:  # fmt: skip
        """Return `nn.functional.conv_transpose2d`."""
        return functional().conv_transpose2d(
            self, weight, bias, stride, padding, output_padding, groups, dilation
        )

    def avg_pool2d(self: Any, kernel_size: Any = (2, 2), stride: Any = None) -> Any:
        """Return `nn.functional.avg_pool2d`."""
        return functional().avg_pool2d(self, kernel_size, stride)

    def max_pool2d(
        self: Any, kernel_size: Any = (2, 2), stride: Any = None, dilation: Any = 1
    ) -> Any:
        """Return `nn.functional.max_pool2d`."""
        return functional().max_pool2d(self, kernel_size, stride, 0, dilation)

    def layernorm(self: Any, axis: int = -1, eps: float = 1e-5) -> Any:
        """Return the tensor normalized over the axes from one on to the last."""
        first = axis % self.ndim
        return functional().layer_norm(self, self.shape[first:], eps=eps)

    def batchnorm(self: Any, weight: Any, bias: Any, mean: Any, invstd: Any) -> Any:
        """Return (x - mean) * weight * invstd + bias for each channel, axis 1."""
        shape = (1, -1, *[1] * (self.ndim - 2))
        found = self - mean.reshape(shape)
        found = found if weight is None else found * weight.reshape(shape)
        found = found * invstd.reshape(shape)
        return found if bias is None else found + bias.reshape(shape)

    def dropout(self: Any, p: float = 0.5) -> Any:
        """Return `nn.functional.dropout` inside `Tensor.train()`, elsewhere this tensor."""
        return functional().dropout(self, p, training=self.training)

    def sparse_categorical_crossentropy(self: Any, Y: Any, ignore_index: int = -1) -> Any:
        """Return `nn.functional.cross_entropy` with numbers of classes."""
        return functional().cross_entropy(self, Y, ignore_index=ignore_index)


for name in MAKERS:
    setattr(TeenygradMethods, name, maker(name))
for name, function in LAYERS.items():
    setattr(TeenygradMethods, name, layer(name, function))
