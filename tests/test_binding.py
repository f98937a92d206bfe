"""The C front end: what is installed in it."""

from __future__ import annotations

from typing import Any

import pytest
from isolated import run_python

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


CONFUSION = """
import random, sys, warnings
warnings.simplefilter("ignore")  # that a graph ends where a Value is made a float
import pymicrograd as mg
from pymicrograd import _core
x, v = mg.ones(2, 3), mg.Value(2.0)
things = (None, True, 0, 1, -1, 8, 16, 99, 10**6, 2**62, -(2**63), 2**70, 0.5, float("nan"), "a",
          b"a", (), (1,), (2, 3), (-1,), (2**62, 4), (x,), (v,), (x, 1), ((x,),), [], [1.0], [v],
          [[v, 1.0]], {}, x, v, x._handle, v._handle, print, object(), _core.memory)
for name in sys.argv[1]:
    numbers = random.Random(name)
    base = _core.TensorBase if hasattr(_core.TensorBase, name) else _core.ValueBase
    method = getattr(base, name)
    for _ in range(4000):
        args = [numbers.choice(things) for _ in range(numbers.randrange(9))]
        if numbers.random() < 0.5:
            args.insert(0, numbers.choice((x, v, mg.ones(3), mg.Value(1.0))))
        try:
            method(*args)
        except Exception:
            pass
assert mg.Value(2.0) * 3 and mg.ones(2).tolist() == [1, 1]
"""
PRIVATE = sorted(
    name
    for base in (_core.ValueBase, _core.TensorBase)
    for name in vars(base)
    if name.startswith("_") and not name.startswith("__") and callable(getattr(base, name))
)


def test_there_are_private_methods() -> None:
    assert {"_adopt", "_grad", "_mlp", "_new", "_share"} <= set(PRIVATE)


@pytest.mark.parametrize("names", [PRIVATE[i : i + 7] for i in range(0, len(PRIVATE), 7)], ids=str)
def test_private_methods_refuse_what_is_wrong(names: list[str]) -> None:
    """They raise, whatever they are given, and nothing crashes then or later."""
    run_python(CONFUSION.replace("sys.argv[1]", repr(names)))
