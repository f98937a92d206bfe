"""Programs in a process of their own: what they leave behind, in memory or on stderr, is theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def run_python(source: str, *options: str, timeout: float = 120.0, **environment: str) -> str:
    """Run a program, which must end with status 0 and say nothing on stderr.

    Args:
        source: the program.
        options: the interpreter's.
        timeout: seconds after which it hangs.
        environment: variables beside the present ones.

    Returns:
        What it printed.
    """
    done = subprocess.run(
        [sys.executable, *options, "-c", source],
        cwd=TESTS,
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{done.returncode}\n{done.stderr}"
    return done.stdout


def run_function(function: Callable[[], None], *options: str, timeout: float = 120.0) -> str:
    """Run a function at the top of a test module as a program."""
    source = f"import {function.__module__} as module; module.{function.__name__}()"
    return run_python(source, *options, timeout=timeout)
