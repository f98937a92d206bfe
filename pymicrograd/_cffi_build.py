"""Describe the extension module `pymicrograd._micrograd` to cffi.

The declarations are read from `csrc/micrograd.h`, between its two marks, and `_binding/cdef.h`:
they are written nowhere else. Run by setuptools (see setup.py), not imported by the package.

Two variables of the environment are for development: MICROGRAD_CFLAGS is added to the compiler's
flags and MICROGRAD_LDFLAGS to the linker's (`-fsanitize=address` and the like).
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from pathlib import Path

import cffi

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "pymicrograd"
FOLDER = PACKAGE / "_binding"
BINDING = sorted(FOLDER.glob("*.c"))
DECLARED = FOLDER / "cdef.h"
HEADERS = sorted(FOLDER.glob("*.h"))


def read_flags() -> list[str]:
    """Return the flags of csrc/flags.txt, where a comment stands behind each of them."""
    lines = (CSRC / "flags.txt").read_text(encoding="utf-8").splitlines()
    return [flag for line in lines if (flag := line.split("#")[0].strip())]


# Python's own flags have -g, which costs a fifth of the time and three quarters of the size.
FLAGS = ["-O3", "-g0", *read_flags()]


def read_cdef() -> str:
    """Return the C declarations of the core and of the binding's own."""
    header = (CSRC / "micrograd.h").read_text(encoding="utf-8")
    public = header.split("/* BEGIN CDEF */")[1].split("/* END CDEF */")[0]
    return public + DECLARED.read_text(encoding="utf-8")


def read_version() -> str:
    """Return the version that the package states."""
    text = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    assert found, "pymicrograd/__init__.py has no version"
    return found.group(1)


def hash_source() -> str:
    """Return the start of a hash over the C sources, by which tests know a stale library."""
    digest = hashlib.sha256()
    for path in sorted([*CSRC.rglob("*.[ch]"), *CSRC.rglob("*.def"), *BINDING, *HEADERS]):
        name = path.relative_to(ROOT).as_posix()
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


PROGRAMS = ("all.c", "demo.c", "run_program.c")  # no parts of the library


def units() -> list[Path]:
    """Return the sources of the core that are compiled: not those that others include."""
    found = [path for path in CSRC.rglob("*.c") if not path.name.endswith(".inc.c")]
    return sorted(path for path in found if path.name not in PROGRAMS)


def quoted(text: str) -> str:
    """Return text as a C string literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def describe() -> cffi.FFI:
    """Return the description that cffi's setuptools hook builds."""
    flags = FLAGS + shlex.split(os.environ.get("MICROGRAD_CFLAGS", ""))
    builder = cffi.FFI()
    builder.cdef(read_cdef())
    builder.set_source(
        "pymicrograd._micrograd",
        '#include "micrograd.h"\n#include "cdef.h"\n',
        sources=[os.path.relpath(path, ROOT) for path in [*units(), *BINDING]],
        include_dirs=[os.path.relpath(CSRC, ROOT), os.path.relpath(FOLDER, ROOT)],
        depends=[
            os.path.relpath(path, ROOT)
            for path in [*CSRC.rglob("*.h"), *CSRC.rglob("*.def"), *CSRC.rglob("*.inc.c"), *HEADERS]
        ],
        define_macros=[
            ("MG_VERSION", quoted(read_version())),
            ("MG_FLAGS", quoted(" ".join(flags))),
            ("MG_SOURCE", quoted(hash_source())),
        ],
        extra_compile_args=flags,
        extra_link_args=["-pthread", *shlex.split(os.environ.get("MICROGRAD_LDFLAGS", ""))],
        libraries=["m"],
    )
    return builder


ffibuilder = describe
