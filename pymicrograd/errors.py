"""Exceptions that Python itself has no class for.

Each derives from `MicrogradError` and from the builtins that a program would catch: what it is in
Python, and RuntimeError, which PyTorch raises for most of them. Where Python's own arithmetic
raises, the engine raises the same builtin: ValueError, OverflowError, ZeroDivisionError.
"""

__all__ = [
    "ArgumentError",
    "BusyError",
    "ChangedError",
    "DTypeError",
    "DistributedError",
    "EmptyError",
    "GradientError",
    "MicrogradError",
    "NodeLimitError",
    "OutOfMemoryError",
    "ReadOnlyError",
    "RecordingError",
    "ScalarError",
    "SettingError",
    "ShapeError",
    "StaleNodeError",
    "StateError",
    "TensorIndexError",
    "ViewError",
]


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


class SettingError(MicrogradError, ValueError):
    """A variable of the environment, such as MG_ISA, has a value without meaning."""


class ScalarError(MicrogradError, RuntimeError):
    """bool(), int() or float() of a tensor that does not have exactly one element."""


class ShapeError(MicrogradError, RuntimeError, ValueError):
    """The shapes of tensors do not fit."""


class ArgumentError(MicrogradError, RuntimeError, ValueError):
    """An argument is outside of what an op takes."""


class StateError(MicrogradError, RuntimeError, ValueError):
    """A state does not have the names or the shapes of the module that it is loaded into."""


class DTypeError(MicrogradError, RuntimeError, TypeError):
    """An op has no meaning for the type of a tensor's elements."""


class TensorIndexError(MicrogradError, IndexError, RuntimeError):
    """An index or an axis is out of range."""


class EmptyError(ShapeError, TensorIndexError):
    """An extreme, or its place, along an axis that has no elements."""


class ReadOnlyError(MicrogradError, RuntimeError, ValueError):
    """The memory of a tensor is somebody else's, who does not let it be written to."""


class GradientError(MicrogradError, RuntimeError):
    """A gradient that does not exist, or a change that would break one."""


class ChangedError(MicrogradError, RuntimeError):
    """A value that a gradient needs was changed in place since it was used."""


class ViewError(MicrogradError, RuntimeError):
    """Other views of a tensor's memory would show a change that is to be recorded."""


class DistributedError(MicrogradError, RuntimeError):
    """Processes that train together do not do the same; each of them raises it."""


class RecordingError(MicrogradError, RuntimeError):
    """Something that a compiled function cannot do again, such as a branch on elements."""
