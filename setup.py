"""Build the C core through cffi; everything else about the package stands in pyproject.toml."""

import functools
import os
import shutil
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor, as_completed

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError, LinkError, PlatformError

HELP = """
pymicrograd could not build its C core: {reason}.
It needs a C compiler and the headers of Python:
    Debian, Ubuntu   sudo apt install gcc python3-dev
    Fedora           sudo dnf install gcc python3-devel
    macOS            xcode-select --install
Then run the same command again."""


# What mg_build_info() says. Only its source sees it, so that other objects can be cached.
FACTS = ("MG_VERSION", "MG_FLAGS", "MG_SOURCE")


def core_count():
    """Return the number of processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def order_of_work(source):
    """Sort what takes long first: kernels, half a minute of all, then the largest files."""
    return not os.path.basename(source).startswith("kernels_"), -os.path.getsize(source)


def write_to_terminal(text):
    """Write where pip shows nothing of a build: to its terminal, if it has one in front."""
    try:
        with open("/dev/tty", "w", encoding="utf-8") as terminal:
            if os.tcgetpgrp(terminal.fileno()) == os.getpgrp():  # else it might stop us
                terminal.write(text)
    except OSError:
        pass


def show_progress(done, count):
    """Say how many files are compiled: a line that the next one, or pip's last word, ends."""
    line = f"pymicrograd: compiled {done} of {count} files"
    print(line, flush=True)
    if not sys.stdout.isatty():
        write_to_terminal(f"\r\033[K  {line}{' ... ' if done == count else chr(13)}")


def call_side_by_side(function, items):
    """Return {item: function(item)}, from a thread per core; RuntimeError: none can start."""
    with ThreadPoolExecutor(core_count()) as pool:
        try:
            tasks = {pool.submit(function, item): item for item in items}
            for done, task in enumerate(as_completed(tasks), 1):
                task.result()
                show_progress(done, len(items))
            return {item: task.result() for task, item in tasks.items()}
        finally:
            pool.shutdown(cancel_futures=True)  # after an error nothing more is begun


def compile_side_by_side(compile, sources, macros=None, **options):
    """Compile like a compiler's `compile`, a source per core at a time, the longest first."""

    def compile_one(source):
        known = os.path.basename(source) == "status.c"
        kept = [macro for macro in macros or () if known or macro[0] not in FACTS]
        (built,) = compile([source], macros=kept, **options)
        return built

    show_progress(0, len(sources))
    try:
        if os.name != "posix":
            raise RuntimeError("other compilers of setuptools were not made for threads")
        objects = call_side_by_side(compile_one, sorted(sources, key=order_of_work))
    except RuntimeError:
        objects = {source: compile_one(source) for source in sources}
    return [objects[source] for source in sources]


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


# Sources of the core of which programs written as C have excerpts (programs/excerpts.py).
EXCERPTS = ("base/rng.c", "base/vmath.h", "base/fma.h", "numbers/float.c", "numbers/numbers.h",
            "kernels/floats.inc.c", "kernels/update.inc.c", "arrays/factors.c",
            "kernels/casts.inc.c", "programs/lanes.inc.c", "programs/plain.inc.c",
            "kernels/integers.inc.c", "programs/plain_integers.inc.c")  # fmt: skip


class BuildPackage(build_py):
    """Build the Python files, with what they take from the core's sources beside them."""

    def run(self):
        super().run()
        if self.editable_mode:  # these read csrc itself
            return
        for name in EXCERPTS:
            to = os.path.join(self.build_lib, "pymicrograd", "programs", "csrc", name)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(os.path.join("csrc", name), to)


options = {}
if not sysconfig.get_config_var("Py_GIL_DISABLED"):  # which has no limited API
    options["bdist_wheel"] = {"py_limited_api": "cp310"}
setup(
    cffi_modules=["pymicrograd/_cffi_build.py:ffibuilder"],
    cmdclass={"build_ext": BuildCore, "build_py": BuildPackage},
    options=options,
)
