"""The version, and those of GPUs' libraries: there are none."""

from . import __version__

__all__ = ["__version__", "cuda", "debug", "hip"]

cuda = hip = None
debug = False
