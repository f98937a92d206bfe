"""The engines that are compared, each behind the same few names.

PyPI's micrograd is used as shipped. What these programs need beyond it, tanh, exp and log, is
added to its Value here, in its own style: a closure that refers to the result, and a set of
operands. Its set is iterated in the order of addresses, so that its last digits vary.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
from typing import Any

C_ENGINE = "C engine"
REFERENCE = "reference"
MICROGRAD = "micrograd"
TORCH = "torch"

# The engines whose digits are equal to the last bit.
EXACT = (C_ENGINE, REFERENCE)
TOLERANCE = 1e-9  # relative, for the others


class Missing(Exception):
    """An engine is not installed; the message says which and why."""


def load(engine: str) -> Any:
    """Import an engine and return what its Value and its layers are taken from.

    Raises:
        Missing: it cannot be imported.
    """
    try:
        if engine == C_ENGINE:
            return importlib.import_module("pymicrograd")
        if engine == REFERENCE:
            return importlib.import_module("pymicrograd.reference")
        if engine == MICROGRAD:
            return load_micrograd()
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise Missing(f"{engine} does not load: {error}") from error
    torch.set_num_threads(1)
    return torch


def version_of(engine: str) -> str:
    """Return the name of an engine with its version, or that it is missing."""
    package = {C_ENGINE: "pymicrograd", REFERENCE: "pymicrograd"}.get(engine, engine)
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} is not installed"


def load_micrograd() -> Any:
    """Return PyPI's micrograd.engine, its Value extended with tanh, exp and log."""
    engine = importlib.import_module("micrograd.engine")
    value: Any = engine.Value

    def tanh(self: Any) -> Any:
        out = value(math.tanh(self.data), (self,), "tanh")

        def _backward() -> None:
            self.grad += (1 - out.data**2) * out.grad

        out._backward = _backward
        return out

    def exp(self: Any) -> Any:
        out = value(math.exp(self.data), (self,), "exp")

        def _backward() -> None:
            self.grad += out.data * out.grad

        out._backward = _backward
        return out

    def log(self: Any) -> Any:
        out = value(math.log(self.data), (self,), "log")

        def _backward() -> None:
            self.grad += (1 / self.data) * out.grad

        out._backward = _backward
        return out

    value.tanh, value.exp, value.log = tanh, exp, log
    return engine
