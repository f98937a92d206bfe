"""What all tests share: the two engines, and how many random programs a run tries.

`PYMICROGRAD_TESTS=long pytest` or `pytest --hypothesis-profile=long` tries 10,000 programs where
the default tries a few hundred, the same ones every time.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from programs import ENGINES, load

settings.register_profile(
    "default",
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "long",
    settings.get_profile("default"),
    max_examples=10_000,
    derandomize=False,
    print_blob=True,
)
settings.load_profile(os.environ.get("PYMICROGRAD_TESTS") or "default")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    """Return the C engine, then the reference."""
    return load(request.param)


@pytest.fixture
def engines() -> tuple[Any, Any]:
    """Return both engines, to compare them: the C engine and the reference."""
    return load("c"), load("reference")


@pytest.fixture(scope="module")
def frozen() -> Iterator[None]:
    """Hide what is loaded already from the cyclic collector: torch alone is 100 ms a collection."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
