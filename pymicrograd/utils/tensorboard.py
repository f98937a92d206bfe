"""`SummaryWriter`, under PyTorch's path: of tensorboardX, or of PyTorch, where one is installed.

This package writes no event files itself: it hands over Tensors as arrays and Values as numbers.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["SummaryWriter"]

HOMES = ("tensorboardX", "torch.utils.tensorboard")


def writer_class() -> Any:
    """Return the class that writes.

    Raises:
        ImportError: there is no such library.
    """
    for home in HOMES:
        try:
            return importlib.import_module(home).SummaryWriter
        except ImportError:
            continue
    raise ImportError(
        "SummaryWriter needs tensorboardX, or PyTorch with tensorboard: pip install one"
    )


def plain(x: Any) -> Any:
    """Return a Tensor as an array, a Value as a number, and anything else as it is."""
    if hasattr(x, "detach"):
        x = x.detach()
        return x.numpy() if hasattr(x, "numpy") else x.data
    if isinstance(x, dict):
        return {name: plain(part) for name, part in x.items()}
    return x


class SummaryWriter:
    """A writer of TensorBoard's event files, whose methods take Tensors and Values.

    Args:
        args, named: of the library's class: log_dir, comment and so on.

    Raises:
        ImportError: there is no library that writes.

    Example:
        >>> with SummaryWriter("runs/moons") as writer:  # doctest: +SKIP
        ...     writer.add_scalar("loss", loss, step)
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        self._writer = writer_class()(*args, **named)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._writer, name)
        if not callable(found):
            return found

        def call(*args: Any, **named: Any) -> Any:
            return found(*map(plain, args), **plain(named))

        return call

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._writer.close()
