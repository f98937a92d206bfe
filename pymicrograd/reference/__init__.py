"""micrograd in pure Python: the definition of every number that the C engine computes.

The same classes with explicit loops and the functions of `math`, and nothing else: no compiled
code, no NumPy. Nothing of the product stands on it; both use the ground (recording.py, scalars.py,
modules.py, networks.py, losses.py). Read value.py first; for arrays array.py, element_ops.py,
array_ops.py, gradients.py and tensor.py.

Example:
    >>> from pymicrograd.reference import Value
    >>> x = Value(2.0)
    >>> y = (x * 3.0 - 1.0).relu()
    >>> y.backward()
    >>> y, x
    (Value(data=5.0, grad=1.0), Value(data=2.0, grad=3.0))
"""

from typing import TYPE_CHECKING, Any

from ..arithmetic import choose_math as set_math
from . import functional, nn, optim, random
from .functional import cross_entropy
from .nn import MLP, Layer, Module, Neuron
from .optim import SGD, Adam, AdamW
from .random import RNG, manual_seed
from .value import Value, grad, no_grad

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "MLP",
    "RNG",
    "SGD",
    "Adam",
    "AdamW",
    "Layer",
    "Module",
    "Neuron",
    "Tensor",
    "Value",
    "cross_entropy",
    "functional",
    "grad",
    "manual_seed",
    "nn",
    "no_grad",
    "optim",
    "random",
    "set_math",
]


def __getattr__(name: str) -> Any:
    if name != "Tensor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .tensor import Tensor  # which programs with Values do not wait for

    globals()[name] = Tensor
    return Tensor
