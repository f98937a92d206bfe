"""The layers of the C core: each file uses only those before it in reading order.

`python tests/test_csrc_layers.py` prints which file uses which. The order is that of the
Makefile's sources. What a file uses is read off the symbols of its object, so that no call is
missed. The kernels are compiled for the baseline only: the other sets are the same source.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pymicrograd.reference.value import Value

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
PROGRAMS = ROOT / "tests" / "csrc"
CC = os.environ.get("CC") or "cc"
LAYERS = ("base", "store", "numbers", "kernels", "arrays", "programs")
OTHER_SETS = (
    "kernels/kernels_avx2.c", "kernels/kernels_avx512.c",
    "programs/lanes_avx2.c", "programs/lanes_avx512.c",
)  # fmt: skip
FLAGS = "-O0 -Werror -DMG_BASELINE_ONLY"


def run(*command: object) -> str:
    """Return what a command prints; a failure shows all of it."""
    words = [str(word) for word in command]
    done = subprocess.run(words, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def make(core: Path, *arguments: str, flags: str = FLAGS) -> str:
    """Run the Makefile of a copy of csrc."""
    return run("make", "-s", "-j2", "-C", core, f"CC={CC}", f"CFLAGS={flags}", *arguments)


def copy_of_core(folder: Path, *layers: str) -> Path:
    """Copy csrc with these layers and no other."""
    core = folder / "csrc"
    core.mkdir(parents=True)
    others = [CSRC / name for name in ("ops.def", "updates.def", "flags.txt", "Makefile")]
    for path in (*CSRC.glob("*.[ch]"), *others):
        shutil.copy(path, core)
    for layer in layers:
        (core / layer).mkdir()
        for path in (*(CSRC / layer).glob("*.[ch]"), *(CSRC / layer).glob("*.def")):
            shutil.copy(path, core / layer)
    return core


def build_objects(folder: Path) -> tuple[Path, list[str]]:
    """Compile every file for itself; returns where, and the files in reading order."""
    core = copy_of_core(folder, *LAYERS)
    files = [name for name in make(core, "list").split() if name not in OTHER_SETS]
    make(core, *(name.removesuffix(".c") + ".o" for name in files))
    return core, files


def symbols(path: Path) -> tuple[set[str], set[str]]:
    """Return the symbols that an object defines for others, and those it asks for."""
    defined, needed = set(), set()
    for line in run("nm", "-g", "-P", path).splitlines():
        name, kind = line.split()[:2]
        (needed if kind in "Uwv" else defined).add(name.removeprefix("_"))
    return defined, needed


def uses(core: Path, files: list[str]) -> dict[str, list[str]]:
    """Return for each file the files that it uses."""
    tables = {name: symbols((core / name).with_suffix(".o")) for name in files}
    homes = {symbol: name for name, (defined, _) in tables.items() for symbol in defined}
    assert len(homes) == sum(len(defined) for defined, _ in tables.values()), "defined twice"
    return {
        name: sorted({homes[symbol] for symbol in needed & homes.keys()}, key=files.index)
        for name, (_, needed) in tables.items()
    }


Objects = tuple[Path, list[str]]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Objects]:
    """Return the folder of the objects and the files in reading order."""
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    yield build_objects(tmp_path_factory.mktemp("objects"))


def test_a_file_uses_only_files_before_it(objects: Objects) -> None:
    core, files = objects
    table = uses(core, files)
    assert sum(map(len, table.values())) > 80
    for name, used in table.items():
        assert not [other for other in used if files.index(other) > files.index(name)], name


def test_reading_order_is_that_of_the_layers(objects: Objects) -> None:
    _, files = objects
    layers = [name.split("/")[0] for name in files]
    assert list(dict.fromkeys(layers)) == [*LAYERS, "lifetime.c"]
    assert layers == sorted(layers, key=[*LAYERS, "lifetime.c"].index)
    included = re.findall(r'^#include "(.*)"$', (CSRC / "all.c").read_text(), re.MULTILINE)
    assert included == files


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_includes_none_below_it(layer: str) -> None:
    above = LAYERS[: LAYERS.index(layer) + 1]
    for path in (CSRC / layer).iterdir():
        for name in re.findall(r'^#include "(.*)/', path.read_text(), re.MULTILINE):
            assert name in above, path.name


def test_all_sources_compile_as_one(tmp_path: Path) -> None:
    """No two files have a static name in common, and none shadows another's."""
    make(copy_of_core(tmp_path, *LAYERS), "all.o", flags=f"{FLAGS} -fsyntax-only")


@pytest.mark.all
def test_all_sources_are_one_unit(objects: Objects, tmp_path: Path) -> None:
    """all.c compiles without warnings, and computes the same bits as the separate files."""
    core, files = objects
    make(core, "all.o")
    compile_ = [*shlex.split(CC), "-O1", "-std=c11", f"-I{core}", PROGRAMS / "hash.c"]
    separate = [(core / name).with_suffix(".o") for name in files]
    hashes = set()
    for name, units in (("one", [core / "all.o"]), ("separate", separate)):
        run(*compile_, *units, "-o", tmp_path / name, "-lm", "-lpthread")
        hashes.add(run(tmp_path / name, "baseline", "1"))
    assert len(hashes) == 1


def test_numbers_build_without_arrays(tmp_path: Path) -> None:
    """base, store and numbers are an engine of their own; it needs libm and no threads."""
    core = copy_of_core(tmp_path, "base", "store", "numbers")
    make(core, "scalars", flags="-O1 -Werror")
    program = tmp_path / "scalars"
    compile_ = [*shlex.split(CC), "-O1", "-std=c11", f"-I{core}", PROGRAMS / "scalars.c"]
    run(*compile_, core / "libmicrograd-scalars.a", "-o", program, "-lm")
    lines = [list(map(float.fromhex, line.split())) for line in run(program).splitlines()]

    a, b, c = Value(0.5), Value(-1.25), Value(0.75)
    y = (a * b + c / b).tanh()
    y.backward()
    once = [a.grad, b.grad, c.grad]
    y.backward()
    assert lines == [[y.data], once, [a.grad, b.grad, c.grad], [0.0]]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for file, used in uses(*build_objects(Path(folder))).items():
            print(f"{file:26}", *used)
