"""Build the C core through cffi; everything else about the package stands in pyproject.toml."""

import os
import sysconfig

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


class BuildCore(build_ext):
    """Build the extension; where that is impossible, say what to install."""

    def build_extension(self, ext):
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
