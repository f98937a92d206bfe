"""The C core on its own: its tests in C, its warnings, what it needs, and the demo's digits.

The programs are in `tests/csrc/`; each is compiled against the library that `make -C csrc` builds
in a copy of the sources, so that the tree stays as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "tests" / "csrc"
CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or "cc"
CLANG = next(
    filter(None, map(shutil.which, ["clang", *(f"clang-{n}" for n in range(40, 10, -1))])), None
)
GOLDEN = ROOT.parent / "shared" / "golden" / "llm101n_seed_stdout.txt"

Build = Callable[..., Path]


def run(*command: object, cwd: Path | None = None) -> str:
    """Return what a command prints; a failure shows all of it."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def copy_of_core(folder: Path) -> Path:
    """Copy what `make -C csrc` needs; returns the copy of csrc."""
    folder.mkdir()
    shutil.copy(ROOT / "pyproject.toml", folder)
    sources = [*ROOT.glob("csrc/*.[ch]"), *ROOT.glob("csrc/*.def"), ROOT / "csrc" / "Makefile"]
    (folder / "csrc").mkdir()
    for source in sources:
        shutil.copy(source, folder / "csrc")
    return folder / "csrc"


def strict_flags(core: Path) -> list[str]:
    """Return the flags that the Makefile adds to CFLAGS."""
    found = re.search(r"^STRICT = ((?:.*\\\n)*.*)$", (core / "Makefile").read_text(), re.MULTILINE)
    assert found
    return found.group(1).replace("\\\n", " ").split()


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a function that compiles a test program; libraries are built once for all."""
    folder = tmp_path_factory.mktemp("core")
    cores: dict[str, Path] = {}

    def compile_program(
        name: str, *defines: str, compiler: str = CC, flags: str = "-O1 -g"
    ) -> Path:
        flags = " ".join([flags, *defines])
        core = cores.get(compiler + flags)
        if core is None:
            core = cores[compiler + flags] = copy_of_core(folder / str(len(cores)))
            run(
                "make",
                "-s",
                "-j2",
                "-C",
                core,
                "libmicrograd.a",
                f"CC={compiler}",
                f"CFLAGS={flags}",
            )
        binary = core / name
        arguments = [*flags.split(), *strict_flags(core), "-Werror", "-I", core, "-I", PROGRAMS]
        program = PROGRAMS / f"{name}.c"
        run(
            compiler, *arguments, "-o", binary, program, core / "libmicrograd.a", "-lm", "-lpthread"
        )
        return binary

    return compile_program


# ---- the programs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    ["test_api", "test_handles", "test_faults", "test_backward 2000", "test_random 30000 1",
     "test_random 30000 2", "test_threads 1500"],
)  # fmt: skip
def test_program(build: Build, command: str) -> None:
    name, *arguments = command.split()
    assert run(build(name), *arguments).endswith(" 0 failed\n")


def test_full_arena(build: Build) -> None:
    assert run(build("test_limit", "-DMG_MAX_NODES=8192")).endswith(" 0 failed\n")


def test_ten_million_nodes_deep_in_a_small_stack(build: Build) -> None:
    binary = build("test_deep", flags="-O3")
    output = run("sh", "-c", f"ulimit -s 64; exec '{binary}' 10000000")
    assert output.endswith(" 0 failed\n")
    assert "10000001 nodes: 40." in output


CHECKED = ("test_api", "test_backward 150", "test_random 1500", "test_deep 3000")


def test_memory_is_used_well(build: Build) -> None:
    """Every access of the C tests is valid, everything is freed: by valgrind, or by ASan."""
    valgrind = shutil.which("valgrind")
    options = ["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=all"]
    for command in CHECKED:
        name, *arguments = command.split()
        if valgrind:
            run(valgrind, *options, build(name), *arguments)
        else:
            run(build(name, flags="-O1 -g -fsanitize=address,undefined"), *arguments)


def test_no_call_is_forgotten() -> None:
    """Every call of micrograd.h on an arena stands in the table of calls.h."""
    header = (ROOT / "csrc" / "micrograd.h").read_text()
    public = header.split("/* BEGIN CDEF */")[1].split("/* END CDEF */")[0]
    on_arenas = set(re.findall(r"\b(mg_\w+)\(mg_arena \*", public))
    assert len(on_arenas) > 30
    table = (PROGRAMS / "calls.h").read_text()
    elsewhere = {"mg_arena_free", "mg_arena_limit", "mg_arena_fail"}  # called in every program
    assert {name for name in on_arenas if f"{name}(" not in table} == elsewhere
    others = set(re.findall(r"\b(mg_\w+)\(", public)) - on_arenas
    programs = "".join(path.read_text() for path in PROGRAMS.iterdir())
    assert {name for name in others if f"{name}(" not in programs} == set()


# ---- the demo --------------------------------------------------------------------------------


def compilers() -> list[object]:
    """Name the compilers to try; one that is not there is skipped, visibly."""
    found = []
    for name, path in (("cc", CC), ("clang", CLANG)):
        missing = pytest.mark.skipif(path is None, reason=f"{name} is not installed")
        found.append(pytest.param(path, id=name, marks=missing))
    return found


def golden_lines() -> list[str]:
    """Return the 110 lines of LLM101n's program: the file's, else the reference's own."""
    if GOLDEN.exists():
        return GOLDEN.read_text().splitlines()
    command = [sys.executable, "-m", "pymicrograd", "demo", "--engine", "reference"]
    return run(*command, cwd=ROOT).splitlines()[:110]


@pytest.mark.parametrize("level", ["-O0", "-O3"])
@pytest.mark.parametrize("compiler", compilers())
def test_demo_prints_the_same_lines(tmp_path: Path, compiler: str, level: str) -> None:
    """The build has no warnings, and the digits are Python's at every level of optimization."""
    core = copy_of_core(tmp_path / "copy")
    run("make", "-s", "-j2", "-C", core, f"CC={compiler}", f"CFLAGS={level} -Werror")
    lines = run(core / "demo").splitlines()
    assert len(lines) == 111
    assert lines[:110] == golden_lines()
    assert lines[110].startswith("test accuracy ")
    assert (core / "libmicrograd.so").exists()
    run("make", "-s", "-C", core, "clean")
    assert sorted(core.iterdir()) == sorted(core / path.name for path in sources())


def sources() -> list[Path]:
    """Return the files of csrc that are kept under version control."""
    return [*ROOT.glob("csrc/*.[ch]"), *ROOT.glob("csrc/*.def"), ROOT / "csrc" / "Makefile"]


# ---- what the library asks of its host -------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the library as it ships, with what the compiler tells of its stack."""
    core = copy_of_core(tmp_path_factory.mktemp("library") / "copy")
    run("make", "-s", "-j2", "-C", core, "libmicrograd.a", f"CC={CC}", "CFLAGS=-O3 -fstack-usage")
    return core


SYMBOLS = {
    "memory": {"memcpy", "memset", "memmove", "memcmp", "malloc", "realloc", "free"},
    "mathematics": {
        "pow", "exp", "log", "sin", "cos", "tanh", "expm1", "log1p", "erf", "sqrt", "floor",
        "fmod", "frexp",
    },
    "threads": {"sched_yield"},
    "hardening": {"__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"},
}  # fmt: skip


def test_library_needs_little(library: Path) -> None:
    output = run("nm", "-u", library / "libmicrograd.a")
    needed = {line.split()[-1].split("@")[0] for line in output.splitlines() if " U " in line}
    defined = run("nm", "--defined-only", "-g", library / "libmicrograd.a")
    own = {line.split()[-1] for line in defined.splitlines() if len(line.split()) == 3}
    assert needed - own - set().union(*SYMBOLS.values()) == set()


def test_library_has_one_variable(library: Path) -> None:
    """No state but the arenas': the only variable counts the arenas made."""
    table = run("nm", "--defined-only", "-f", "sysv", library / "libmicrograd.a")
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    sections = {row[0]: row[6] for row in rows if len(row) == 7 and row[3] == "OBJECT"}
    writable = [name for name, section in sections.items() if section in (".bss", ".data")]
    assert [name.split(".")[0] for name in writable] == ["arenas_made"]


def test_frames_are_small(library: Path) -> None:
    frames = {}
    for path in library.glob("*.su"):
        for line in path.read_text().splitlines():
            function, size, kind = line.split("\t")
            assert kind != "dynamic", function
            frames[function] = int(size)
    if not frames:
        pytest.skip(f"{CC} writes no stack usage")
    assert len(frames) > 50
    assert {name: size for name, size in frames.items() if size > 1024} == {}


def test_nothing_recurses(tmp_path: Path) -> None:
    """The call graph of the library, as gcc writes it, has no cycle."""
    calls: dict[str, set[str]] = {}
    for source in sorted(set(ROOT.glob("csrc/*.c")) - {ROOT / "csrc" / "demo.c"}):
        target = tmp_path / source.with_suffix(".o").name
        command = [CC, "-std=c11", "-O0", "-fcallgraph-info", "-c", source, "-o", target]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "fcallgraph-info" in done.stderr:
            pytest.skip(f"{CC} writes no call graph")
        assert done.returncode == 0, done.stderr
        text = target.with_suffix(".ci").read_text()
        for caller, callee in re.findall(r'edge: \{ sourcename: "(.*?)" targetname: "(.*?)"', text):
            calls.setdefault(caller.split(":")[-1], set()).add(callee.split(":")[-1])
    assert len(calls) > 50
    while leaves := [name for name, callees in calls.items() if not callees & calls.keys()]:
        for name in leaves:
            del calls[name]
    assert calls == {}


def test_header_suits_cpp(tmp_path: Path) -> None:
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("c++ is not installed")
    source = tmp_path / "include.cpp"
    source.write_text(
        '#include "micrograd.h"\nint main() { return mg_status_text(0) == nullptr; }\n'
    )
    flags = ["-std=c++11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    run(compiler, *flags, "-I", ROOT / "csrc", source)


def test_fast_math_is_refused(tmp_path: Path) -> None:
    source = ROOT / "csrc" / "scalar.c"
    for flag in ("-ffast-math", "-Ofast"):
        command = [CC, "-std=c11", flag, "-c", str(source), "-o", str(tmp_path / "scalar.o")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "the core's digits are exact" in done.stderr
