"""Functions of Tensors that are recorded at their first call, and then run without Python."""

from .compiled import Compiled, compile

__all__ = ["Compiled", "compile"]
