"""Build the C core through cffi; everything else about the package stands in pyproject.toml."""

import functools
import os
import sysconfig
from concurrent.futures import ThreadPoolExecutor

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError, PlatformError

HELP = """
pymicrograd could not build its C core: {reason}.
It needs a C compiler and the headers of Python:
    Debian, Ubuntu   sudo apt install gcc python3-dev
    Fedora           sudo dnf install gcc python3-devel
    macOS            xcode-select --install
Then run the same command again."""


# Sources by the seconds that they take; the others take one or less.
LONGEST = ("kernels_avx2.c", "kernels_avx512.c", "kernels_baseline.c")
# What mg_build_info() says. Only its source sees it, so that other objects can be cached.
FACTS = ("MG_VERSION", "MG_FLAGS", "MG_SOURCE")


def core_count():
    """Return the number of processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def compile_side_by_side(compile, sources, macros=None, **options):
    """Compile like a compiler's `compile`, one source per core at a time, the longest first."""

    def compile_one(source):
        known = os.path.basename(source) == "status.c"
        kept = [macro for macro in macros or () if known or macro[0] not in FACTS]
        (built,) = compile([source], macros=kept, **options)
        return built

    def is_short(source):
        name = os.path.basename(source)
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    with ThreadPoolExecutor(core_count()) as pool:
        objects = {s: pool.submit(compile_one, s) for s in sorted(sources, key=is_short)}
        return [objects[source].result() for source in sources]


class BuildCore(build_ext):
    """Build the extension; where that is impossible, say what to install."""

    def build_extension(self, ext):
        self.compiler.compile = functools.partial(compile_side_by_side, self.compiler.compile)
        header = os.path.join(sysconfig.get_path("include"), "Python.h")
        if not os.path.exists(header):
            raise SystemExit(HELP.format(reason=f"there is no {header}"))
        try:
            super().build_extension(ext)
        except (CompileError, LinkError, PlatformError, OSError) as error:
            raise SystemExit(HELP.format(reason=error)) from error


options = {}
if not sysconfig.get_config_var("Py_GIL_DISABLED"):  # which has no limited API
    options["bdist_wheel"] = {"py_limited_api": "cp310"}
setup(
    cffi_modules=["pymicrograd/_cffi_build.py:ffibuilder"],
    cmdclass={"build_ext": BuildCore},
    options=options,
)
