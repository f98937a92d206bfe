"""What a program cannot do, by the user's line and with what to write instead."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from ..errors import RecordingError

__all__ = ["explained", "no_program", "several_programs"]

FOLDER = str(Path(__file__).resolve().parents[1])
INSTEAD = {
    "item": "return the Tensor and read it outside, or choose with where()",
    "tolist": "return the Tensor and read it outside",
    "a Tensor as": "give a float: each run reads what it is then",
    "hooks": "do it outside, or in a callback of fit()",
    "numpy()": "do outside what reads its memory, or what NumPy computes: sort(), linalg, fft",
    "one_hot": "say how many classes there are: a program has fixed shapes",
    "nonzero": "multiply by a mask, or choose with where(): a program has fixed shapes",
}


def place_in(frames: traceback.StackSummary) -> str:
    """Return the user's line that calls end in."""
    for frame in reversed(frames):
        if not frame.filename.startswith(FOLDER):
            line = f": {frame.line.strip()}" if frame.line else ""  # of stdin there is none
            return f"{Path(frame.filename).name}:{frame.lineno}{line}"
    return "the function"


def explained(error: RecordingError) -> RecordingError:
    """Return a refusal with the line that it is about, and what to write instead.

    The line is where it was raised; of one that was not, the line that is under way.
    """
    text, raised = str(error), error.__traceback__
    place = place_in(traceback.extract_tb(raised) if raised else traceback.extract_stack())
    advice = next((advice for word, advice in INSTEAD.items() if text.startswith(word)), None)
    return RecordingError(f"{place}: {text}" + (f": {advice}" if advice else ""))


def no_program(caller: str) -> ValueError:
    """Return the error of what is asked of a call that was not made."""
    return ValueError(f"{caller}: there is no program of such a call: call the function first")


def several_programs(caller: str, function: Any, count: int) -> ValueError:
    """Return the error of what is asked of a function that has several programs."""
    name = getattr(function, "__qualname__", "the function")
    return ValueError(f"{caller}: {name}() has programs of {count} calls: give arguments of one")
