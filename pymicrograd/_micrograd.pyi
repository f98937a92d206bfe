"""The extension module that cffi builds."""

from typing import Any

ffi: Any
lib: Any
