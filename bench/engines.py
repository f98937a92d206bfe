"""The engines that are compared, each behind the same few names, and NumPy and JAX for arrays.

PyPI's micrograd is used as shipped. What these programs need beyond it, tanh, exp and log, is
added to its Value here, in its own style: a closure that refers to the result, and a set of
operands. Its set is iterated in the order of addresses, so that its last digits vary.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import os
from typing import Any

C_ENGINE = "C engine"
REFERENCE = "reference"
MICROGRAD = "micrograd"
TORCH = "torch"
NUMPY = "numpy"
JAX = "jax"

# The engines whose digits are equal to the last bit.
EXACT = (C_ENGINE, REFERENCE)
TOLERANCE = 1e-9  # relative, for the others

# How many threads this process, a contestant's, may use.
THREADS = int(os.environ.get("BENCH_THREADS", "1"))


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
        module = importlib.import_module(engine)
        if engine == TORCH:
            module.set_num_threads(THREADS)
        elif engine == JAX:
            module.config.update("jax_platforms", "cpu")
            module.config.update("jax_enable_x64", True)
        return module
    except ImportError as error:
        raise Missing(f"{engine} does not load: {error}") from error


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a contestant's process: what its libraries read when they load."""
    count = str(threads)
    names = ("BENCH_THREADS", "MG_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    settings = dict.fromkeys((*names, "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), count)
    if threads == 1:
        settings["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return {**os.environ, **settings}


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
