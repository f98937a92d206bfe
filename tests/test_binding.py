"""The C front end: what is installed in it."""

from __future__ import annotations

from typing import Any

import pytest

import pymicrograd as mg
from pymicrograd import _core

CALLBACKS = ("fallback_operator", "fallback_init", "fallback_set", "fail")


def given(**changes: Any) -> dict[str, Any]:
    return {**dict.fromkeys(CALLBACKS, print), **changes}


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ({name: f for name, f in given().items() if name != "fail"}, "there is no 'fail'"),
        (given(fallback_ini=print), "nothing is known of 'fallback_ini'"),
        (given(fail=None), "of another type is 'fail'"),
    ],
)
def test_install_refuses_other_callbacks(callbacks: dict[str, Any], message: str) -> None:
    """And has changed nothing then."""
    with pytest.raises(TypeError, match=message):
        _core.install(mg.Value, **callbacks)
    assert (mg.Value(2.0) + 3).data == 5.0


@pytest.mark.parametrize("wrong", [int, mg.Value(1.0)])
def test_install_refuses_other_types(wrong: Any) -> None:
    with pytest.raises(TypeError):
        _core.install(wrong, **given())


def test_both_halves_have_one_arena() -> None:
    before = mg.memory_usage()["nodes"]
    kept = [mg.Value(1.0), mg.Tensor([1.0])]
    assert mg.memory_usage()["nodes"] == before + len(kept)
