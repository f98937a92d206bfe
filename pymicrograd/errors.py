"""Exceptions that Python itself has no class for.

Each derives from `MicrogradError` and from the builtin that a program would catch. Where Python's
own arithmetic raises, the engine raises the same builtin: ValueError, OverflowError,
ZeroDivisionError.
"""

__all__ = ["BusyError", "MicrogradError", "NodeLimitError", "OutOfMemoryError", "StaleNodeError"]


class MicrogradError(Exception):
    """Base of the package's exceptions."""


class OutOfMemoryError(MicrogradError, MemoryError):
    """There is no memory, or the limit of `set_memory_limit` is reached."""


class NodeLimitError(MicrogradError, MemoryError):
    """The graph has more nodes than an arena can name, 2**30."""


class StaleNodeError(MicrogradError, RuntimeError):
    """A handle names no living node."""


class BusyError(MicrogradError, RuntimeError):
    """A backward that is under way in another thread uses the node."""
