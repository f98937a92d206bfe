"""What all tests share: the tiers, the two engines, the golden lines, and what is made once a run.

`pytest` runs the tier quick, `pytest --tier all` everything, and `--tier long` everything with
10,000 random programs where the others try a hundred or a few. Tests that are of the tier all carry
the mark `all`; a quick run names them at its end. `--tier brief` is quick with ten programs where
that tries a hundred, for builds that are ten times as slow (tests/long.sh asan).
"""

from __future__ import annotations

import fcntl
import gc
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from programs import ENGINES, load

# ---- tiers ---------------------------------------------------------------------------------------

PROGRAMS_OF = {"brief": 10, "quick": 100, "all": 250, "long": 10_000}  # random programs a test
LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=list(PROGRAMS_OF), default="quick", help="how much to test")
    parser.addoption("--made", help="a folder that keeps what is compiled, for runs to come")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "all: takes long; run by --tier all")
    config.stash[LEFT_OUT] = []
    tier = config.getoption("tier")
    settings.register_profile(
        tier,
        max_examples=PROGRAMS_OF[tier],
        deadline=None,
        derandomize=tier != "long",
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    settings.load_profile(tier)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not of this tier."""
    if config.getoption("tier") not in ("brief", "quick"):
        return
    left = [item for item in items if item.get_closest_marker("all")]
    items[:] = [item for item in items if item not in left]
    config.stash[LEFT_OUT] = [item.nodeid for item in left]
    config.hook.pytest_deselected(items=left)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that reports what was left out: with xdist the workers collect."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left out"] = session.config.stash[LEFT_OUT]


def pytest_testnodedown(node: Any) -> None:
    left_out = getattr(node, "workeroutput", {}).get("left out", [])
    node.config.stash[LEFT_OUT] = left_out or node.config.stash[LEFT_OUT]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    left_out = config.stash[LEFT_OUT]
    if left_out:
        names = Counter(name.split("[")[0].split("::")[-1] for name in left_out)
        listed = ", ".join(f"{name} ({count})" for name, count in names.items())
        tier = config.getoption("tier")
        line = f"tier {tier}: {len(left_out)} tests are left to pytest --tier all: {listed}"
        terminalreporter.write_line(line)


# ---- once a run ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str, pytestconfig: pytest.Config
) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a function that fills a folder once for all processes of this run.

    It takes the folder's name and what fills it, and returns the folder; who comes second waits.
    """
    base = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        base = base.parent
    base = Path(pytestconfig.getoption("made") or base)

    def fill_once(name: str, fill: Callable[[Path], object]) -> Path:
        folder, filled = base / name, base / f"{name}.filled"
        with open(base / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not filled.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what failed half-way
                folder.mkdir()
                fill(folder)
                filled.touch()
        return folder

    return fill_once


# ---- engines and digits --------------------------------------------------------------------------


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    """Return the C engine, then the reference."""
    return load(request.param)


@pytest.fixture
def engines() -> tuple[Any, Any]:
    """Return both engines, to compare them: the C engine and the reference."""
    return load("c"), load("reference")


GOLDEN = Path(__file__).parent / "golden" / "llm101n.txt"


@pytest.fixture(scope="session")
def golden(once: Callable[[str, Callable[[Path], object]], Path]) -> list[str]:
    """Return the 110 lines of LLM101n's program.

    They are those of a C library that uses FMA; for a processor without it the program is run.
    """
    cpu = Path("/proc/cpuinfo")
    if cpu.exists() and " fma " in cpu.read_text():
        return GOLDEN.read_text().splitlines()

    def run(folder: Path) -> None:
        from test_micrograd_programs import llm101n

        lines: list[str] = []
        llm101n(load("reference").Value, lines.append)
        (folder / "lines").write_text("\n".join(lines))

    return (once("llm101n", run) / "lines").read_text().splitlines()


@pytest.fixture(autouse=True)
def own_garbage() -> Iterator[None]:
    """Let the collector of cycles look at nothing but what a test makes, of which none is left.

    A look at all that is loaded takes half a second with torch, and many tests take several.
    """
    gc.freeze()
    yield
    gc.collect()
    gc.unfreeze()
