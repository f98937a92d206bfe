"""The C core on its own: its tests in C, its warnings, what it needs, and the demo's digits.

The programs are in `tests/csrc/`; each is compiled against the library that `make -C csrc` builds
in a copy of the sources, so that the tree stays as it is.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import reliability
from products import exact_fma, hostile_triples

import pymicrograd
from pymicrograd import _micrograd

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "tests" / "csrc"
CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or "cc"
CLANG = next(
    filter(None, map(shutil.which, [*(f"clang-{n}" for n in range(40, 10, -1)), "clang"])), None
)
GNU = "Free Software" in subprocess.getoutput(f"{CC} --version")

Build = Callable[..., Path]


def run(*command: object, cwd: Path | None = None) -> str:
    """Return what a command prints; a failure shows all of it."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def sources() -> list[Path]:
    """Return the files of csrc that a build needs."""
    core = ROOT / "csrc"
    return [*core.rglob("*.[ch]"), *core.rglob("*.def"), core / "Makefile", core / "flags.txt"]


def units(core: Path) -> list[Path]:
    """Return the sources of the library that are compiled: not those that others include."""
    found = [path for path in core.rglob("*.c") if not path.name.endswith(".inc.c")]
    return sorted(path for path in found if path.name not in ("all.c", "demo.c", "run_program.c"))


def copy_of_core(folder: Path) -> Path:
    """Copy what `make -C csrc` needs; returns the copy of csrc."""
    for source in sources():
        target = folder / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return folder / "csrc"


def strict_flags(core: Path) -> list[str]:
    """Return the flags that the Makefile adds to CFLAGS."""
    makefile = (core / "Makefile").read_text()
    found = re.search(r"^STRICT = \$\(shell .*\)(.*)$", makefile, re.MULTILINE)
    assert found
    required = re.findall(r"^-\S+", (core / "flags.txt").read_text(), re.MULTILINE)
    return [*required, *found.group(1).split()]


def compiles(flags: str, program: str, target: Path | str = os.devnull) -> bool:
    """Compile and link a program with the compiler; tell whether that went well."""
    command = [CC, *flags.split(), "-x", "c", "-", "-o", str(target)]
    return subprocess.run(command, input=program.encode(), capture_output=True).returncode == 0


# Not every system installs them with the compiler. -fwrapv would blind the second.
SANITIZERS = "-fno-wrapv -fsanitize=address,undefined"
if not compiles(SANITIZERS, "int main(void) { return 0; }"):
    SANITIZERS = ""
# What is quick to build finds most: it is not optimized, but sanitized, and lists its calls. It has
# the baseline's kernels only: the other sets are the same source.
CHECKED = f"-O0 -g -Werror -DMG_BASELINE_ONLY -DMG_ASK_OFTEN=16 {SANITIZERS}"
CHECKED += " -fcallgraph-info" if GNU else ""
# As it ships, with what the compiler tells of its stack.
SHIPPED = "-O3 -Werror -fstack-usage"
PLAIN = "-O0 -Werror"
LEVELS = [CHECKED, pytest.param(SHIPPED, marks=pytest.mark.all)]


@pytest.fixture(scope="session")
def library(once: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that runs `make` with flags, once a run; it returns the folder."""

    def make_all(folder: Path, flags: str, compiler: str) -> None:
        core = copy_of_core(folder)
        if flags == CHECKED:
            for path in (*core.glob("kernels/kernels_avx*.c"), *core.glob("programs/lanes_avx*.c")):
                path.write_text("")
        run("make", "-s", "-j2", "-C", core, f"CC={compiler}", f"CFLAGS={flags}")

    def build_library(flags: str, compiler: str = CC) -> Path:
        name = re.sub(r"\W+", "-", f"core {Path(compiler).name} {flags}")
        return once(name, lambda folder: make_all(folder, flags, compiler)) / "csrc"

    return build_library


@pytest.fixture(scope="session")
def build(library: Callable[..., Path], once: Callable[..., Path]) -> Build:
    """Return a function that compiles a test program, once a run."""

    def compile_into(folder: Path, name: str, flags: str, more: tuple[str, ...]) -> None:
        core = library(flags)
        arguments = [*strict_flags(core), *flags.split(), "-I", core, "-I", PROGRAMS]
        sources = [PROGRAMS / f"{name}.c", *more, core / "libmicrograd.a"]
        run(CC, *arguments, "-o", folder / name, *sources, "-lm", "-lpthread", cwd=core)

    def compile_program(name: str, flags: str = CHECKED, *more: str) -> Path:
        place = re.sub(r"\W+", "-", f"{name} {flags} {' '.join(more)}")
        return once(place, lambda folder: compile_into(folder, name, flags, more)) / name

    return compile_program


# ---- the programs ----------------------------------------------------------------------------


QUICK = (
    "test_api", "test_handles", "test_faults", "test_backward 500", "test_random 10000 1",
    "test_threads 500", "test_waits 20 20", "test_pool 10", "test_arrays", "test_array_faults 0",
    "test_sweeps 20000", "test_deep 3000", "test_mode", "test_updates",
    "test_work", "test_large 1", "test_programs", "test_values", "fuzz_arrays 8000 1",
    "test_scripts 60 2000",
)  # fmt: skip
FULL = (
    "test_api", "test_handles", "test_faults", "test_backward 2000", "test_random 30000 1",
    "test_random 30000 2", "test_threads 1500", "test_waits 100 200", "test_pool 20",
    "test_arrays", "test_array_faults", "test_sweeps 20000", "fuzz_arrays 20000 1",
    "fuzz_arrays 20000 2", "test_kernels", "test_gemm 300 1", "test_mode",
    "test_updates", "test_work", "test_large 6", "test_programs", "test_values",
    "test_scripts 3000 3000000",
)  # fmt: skip


@pytest.mark.parametrize("command", QUICK)
def test_program(build: Build, command: str) -> None:
    """Every access is valid, everything is freed, nothing is undefined."""
    name, *arguments = command.split()
    assert run(build(name), *arguments).endswith(" 0 failed\n")


@pytest.mark.parametrize("flags", LEVELS, ids=["-O0", "-O3"])
def test_the_bits_are_those_that_the_specification_states(build: Build, flags: str) -> None:
    stated = re.findall(r"^ {4}([0-9a-f]{16})$", (ROOT / "csrc/SPEC.md").read_text(), re.MULTILINE)
    assert run(build("hash", flags)).split()[:1] == stated


@pytest.mark.parametrize("name", ["handles", "shared", "sweeps", "programs"])
def test_kept_inputs_of_fuzzers(build: Build, name: str) -> None:
    """What reached most calls, or failed once; and a few new ones."""
    program, kept = build(f"fuzz_{name}"), sorted((ROOT / "tests" / "corpus" / name).iterdir())
    assert len(kept) > 40
    assert run(program, *kept).endswith(" 0 failed\n")
    assert run(program, "random", 300, 1).endswith(" 0 failed\n")


def test_fused_operations_are_exact_without_the_instruction(build: Build) -> None:
    """On ties, cancellations, underflow and overflow, against rational numbers."""
    for kind in "df":
        triples = list(hostile_triples(10000, single=kind == "f"))
        lines = [" ".join((kind, *(x.hex() for x in triple))) for triple in triples]
        done = subprocess.run(
            [build("test_fma")], input="\n".join(lines), text=True, capture_output=True, check=True
        )
        for triple, line in zip(triples, done.stdout.splitlines(), strict=True):
            expected = exact_fma(*triple, single=kind == "f").hex()
            assert {float.fromhex(x).hex() for x in line.split()} == {expected}, triple


WRONG_PROGRAMS = {
    "access": "int main(int n, char **a) { (void)a; char s[2] = {0, 1}; return s[n + 1]; }",
    "overflow": "int main(int n, char **a) { (void)a; return (2147483647 + n) & 1; }",
}


@pytest.mark.parametrize("name", WRONG_PROGRAMS)
def test_sanitizers_are_there(tmp_path: Path, name: str) -> None:
    """What the tests above rest on."""
    if not SANITIZERS:
        pytest.skip(f"{CC} has no sanitizers: programs in C were run without")
    program = tmp_path / name
    assert compiles(SANITIZERS, WRONG_PROGRAMS[name], program)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert "ERROR" in done.stderr or "runtime error" in done.stderr


@pytest.mark.all
@pytest.mark.parametrize("command", FULL)
def test_program_as_it_ships(build: Build, command: str) -> None:
    """The same as the compiler's loops ship, and the kernels of every instruction set."""
    name, *arguments = command.split()
    assert run(build(name, SHIPPED), *arguments).endswith(" 0 failed\n")


def test_full_arena(build: Build) -> None:
    """With a node.c that allows 8191 nodes, in the place of the library's."""
    program = build("test_limit", CHECKED, "-DMG_MAX_NODES=8192", "store/node.c")
    assert run(program).endswith(" 0 failed\n")


@pytest.mark.all
def test_ten_million_nodes_deep_in_a_small_stack(build: Build) -> None:
    binary = build("test_deep", SHIPPED)
    output = run("sh", "-c", f"ulimit -s 64; exec '{binary}' 10000000")
    assert output.endswith(" 0 failed\n")
    assert "10000001 nodes: 44." in output


@pytest.mark.all
def test_a_million_arrays_deep_in_a_small_stack(build: Build) -> None:
    binary = build("test_sweeps", SHIPPED)
    assert run("sh", "-c", f"ulimit -s 64; exec '{binary}' 1000000 deep").endswith(" 0 failed\n")


CHECKED_BY_VALGRIND = (
    "test_api", "test_backward 150", "test_random 1500", "test_deep 3000", "test_arrays",
    "test_sweeps 3000", "fuzz_arrays 400 3",
)  # fmt: skip


@pytest.mark.all
def test_other_kernels_use_memory_well(build: Build) -> None:
    """As test_program() has it for the baseline's: by valgrind, or by sanitizing all."""
    valgrind = shutil.which("valgrind")
    # What glibc holds for workers that sleep at the end is "possibly lost".
    options = ["-q", "--error-exitcode=9", "--leak-check=full"]
    options.append("--errors-for-leak-kinds=definite,indirect")
    for command in CHECKED_BY_VALGRIND:
        name, *arguments = command.split()
        if valgrind:
            run(valgrind, *options, build(name, SHIPPED), *arguments)
        else:
            run(build(name, f"-O1 -g {SANITIZERS}"), *arguments)


def test_no_call_is_forgotten() -> None:
    """Every call of micrograd.h on an arena, and every op of arrays, stands in a table, of
    calls.h or array_calls.h, and every call that is written there has a row."""
    header = (ROOT / "csrc" / "micrograd.h").read_text()
    public = header.split("/* BEGIN CDEF */")[1].split("/* END CDEF */")[0]
    on_arenas = set(re.findall(r"\b(mg_\w+)\(mg_arena \*", public))
    assert len(on_arenas) > 50
    tables = "".join((PROGRAMS / name).read_text() for name in ("calls.h", "array_calls.h"))
    elsewhere = {"mg_arena_free", "mg_arena_limit", "mg_set_ieee"}  # called in programs
    recording = ("record_open", "record_close", "record_cancel", "record_pause", "record_random",
                 "record_require", "program_load")  # fmt: skip
    elsewhere |= {"mg_recording", *(f"mg_{name}" for name in recording)}
    elsewhere |= {"mg_script_choose", "mg_script_largest"}  # of a recording of numbers
    assert {name for name in on_arenas if f"{name}(" not in tables} == elsewhere
    defined = re.findall(r"^CALL\((\w+),", tables, re.MULTILINE)
    rows = re.findall(r'^    (?:\{"|ROW\()(\w+)\b', tables, re.MULTILINE)
    assert sorted(defined) == sorted(rows)
    ops = re.findall(r"^MG_ARRAY\((\w+)", (ROOT / "csrc" / "ops.def").read_text(), re.MULTILINE)
    assert set(ops) == set(re.findall(r"^    \{MG_(\w+), \d,", tables, re.MULTILINE))
    others = set(re.findall(r"\b(mg_\w+)\(", public)) - on_arenas
    assert len(others) > 20
    programs = "".join(path.read_text() for path in PROGRAMS.iterdir())
    assert {name for name in others if f"{name}(" not in programs} == set()


def test_no_program_is_forgotten() -> None:
    """Every C test is run here, by tests/long.sh, and in R11; every source is in the Makefile."""
    here, long = Path(__file__).read_text(), (ROOT / "tests" / "long.sh").read_text()
    for path in PROGRAMS.glob("*_*.c"):
        if path.name in ("vmath_check.c", "test_fma.c"):  # tests in Python give them their input
            continue
        is_target = '"fuzz.h"' in path.read_text()
        name = path.stem.removeprefix("fuzz_") if is_target else path.stem
        assert re.search(rf'"{name}[ "]', here), path.name
        assert re.search(rf"(?<![$/\w]){name}\b", long), path.name
    measured = {command.split()[0] for command in reliability.PROGRAMS}
    quick = {command.split()[0] for command in QUICK}
    assert {name for name in quick - measured if name.startswith("test_")} == {"test_deep"}
    core = ROOT / "csrc"
    listed = run("make", "-s", "-C", core, "list").split()
    assert sorted(core / name for name in listed) == units(core)


def test_mutants_change_what_is_there() -> None:
    """Else R12 ends with an error, which few would see: it takes long."""
    for name, before, after in reliability.MUTANTS:
        assert (ROOT / "csrc" / name).read_text().count(before) == 1, (name, before)
        assert before != after


# ---- the demo --------------------------------------------------------------------------------


needs_clang = pytest.mark.skipif(CLANG is None, reason="clang is not installed")
DEMOS = [
    pytest.param(CC, CHECKED, id="cc -O0"),
    pytest.param(CC, SHIPPED, id="cc -O3", marks=pytest.mark.all),
    pytest.param(CLANG, PLAIN, id="clang -O0", marks=[pytest.mark.all, needs_clang]),
    pytest.param(CLANG, "-O3 -Werror", id="clang -O3", marks=[pytest.mark.all, needs_clang]),
]


@pytest.mark.parametrize(("compiler", "flags"), DEMOS)
def test_demo_prints_the_same_lines(
    library: Callable[..., Path], golden: list[str], compiler: str, flags: str
) -> None:
    """The build has no warnings, and the digits are Python's at every level of optimization."""
    core = library(flags, compiler)
    lines = run(core / "demo").splitlines()
    assert len(lines) == 111
    assert lines[:110] == golden
    assert lines[110].startswith("test accuracy ")
    assert (core / "libmicrograd.so").exists()


def test_a_program_trains_from_a_file(library: Callable[..., Path], tmp_path: Path) -> None:
    """The losses of vectors/, and those that follow from where it has saved."""
    program, folder = library(CHECKED) / "run_program", ROOT / "vectors" / "programs"
    lines = (folder / "adamw.txt").read_text().splitlines()
    hexes = [word for line in lines if line.startswith("losses ") for word in line.split()[1:]]
    losses = [struct.unpack(">d", bytes.fromhex(word))[0] for word in hexes]
    saved = tmp_path / "saved.mgp"
    first = run(program, folder / "adamw.mgp", 3, saved).splitlines()
    then = run(program, saved, 4).splitlines()
    steps = [line.split() for line in first + then if line.startswith("step ")]
    assert [float(words[2]) for words in steps] == losses
    assert first[3].split()[0] == "layers.0.neurons.0.w.0"
    done = subprocess.run([program, __file__, "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no intact program file" in done.stderr


def test_clean_leaves_the_sources(library: Callable[..., Path], tmp_path: Path) -> None:
    core = tmp_path / "csrc"
    shutil.copytree(library(CHECKED), core)
    run("make", "-s", "-C", core, "clean")
    left = {path.relative_to(core.parent) for path in core.rglob("*") if path.is_file()}
    left = {path for path in left if path.suffix != ".ci"}  # which we asked for
    assert left == {path.relative_to(ROOT) for path in sources()}


# ---- what the library asks of its host -------------------------------------------------------

SYMBOLS = {
    "memory": {"memcpy", "memset", "memmove", "memcmp", "memchr", "realloc", "free"},
    "names": {"strcmp", "strlen"},
    "mathematics": {
        "pow", "exp", "log", "sin", "cos", "tanh", "expm1", "log1p", "erf", "sqrt", "floor",
        "fmod", "frexp",
    },
    "turns": {"sched_yield"},
    "cores": {"sysconf", "sched_getaffinity", "__sched_cpucount"},
    "workers": {
        "pthread_create", "pthread_detach", "pthread_atfork", "pthread_sigmask", "sigfillset",
        "pthread_mutex_lock", "pthread_mutex_unlock", "pthread_cond_init", "pthread_cond_wait",
        "pthread_cond_signal", "pthread_cond_broadcast", "fesetenv",
    },
    "waiting for an arena": {
        "pthread_mutex_init", "pthread_mutex_trylock", "pthread_mutex_destroy",
        "pthread_cond_destroy", "pthread_cond_timedwait", "clock_gettime", "nanosleep",
    },
    "a thread's work": {"__tls_get_addr"},
    "hardening": {"__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"},
}  # fmt: skip


@pytest.mark.all
def test_library_needs_little(library: Callable[..., Path]) -> None:
    archive = library(SHIPPED) / "libmicrograd.a"
    needed = {line.split()[-1].split("@")[0] for line in run("nm", "-u", archive).splitlines()
              if " U " in line}  # fmt: skip
    defined = run("nm", "--defined-only", "-g", archive)
    own = {line.split()[-1] for line in defined.splitlines() if len(line.split()) == 3}
    assert needed - own - set().union(*SYMBOLS.values()) == set()


VARIABLES = {
    "arenas_made": "first generations, so that no arena takes another's handles",
    "chosen": "the set of kernels in use",
    "pool": "the workers, which share the machine's cores",
    "this_thread": "the work that a thread may give up",
    "math_in_use": "what numbers take exp, tanh and the like from",
    "hurries": "whether the thread waits for no arena until an op of another ends",
    "works_open": "how many threads have one, so that loops without one need not look",
}


@pytest.mark.all
def test_library_has_few_variables(library: Callable[..., Path]) -> None:
    """No other state than the arenas' is ever written to."""
    table = run("nm", "--defined-only", "-f", "sysv", library(SHIPPED) / "libmicrograd.a")
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    objects = [(row[0].split(".")[0], row[6]) for row in rows if len(row) == 7 and row[6]]
    constant = (".rodata", ".data.rel.ro", ".text", ".note", ".eh_frame")
    writable = [name for name, section in objects if not section.startswith(constant)]
    assert sorted(set(writable) - {"*UND*"}) == sorted(VARIABLES)


def vector_instructions(*binaries: object) -> Counter[str]:
    """Count the arithmetic on whole vectors of 32 or 64 bytes, by function."""
    counts: Counter[str] = Counter()
    name = ""
    for line in run("objdump", "-d", "--no-show-raw-insn", *binaries).splitlines():
        if line.endswith(">:"):
            name = line.split("<")[1].split(".")[0].removesuffix(">:")
        elif re.search(r"\tv(add|sub|mul|div|sqrt|cmp)p[sd] .*%[yz]mm", line):
            counts[name] += 1
    return counts


@pytest.mark.all
def test_kernels_are_as_fast_here_as_in_the_extension(library: Callable[..., Path]) -> None:
    """Loops that one build vectorises are vectorised by the other."""
    if platform.machine() not in ("x86_64", "AMD64") or not shutil.which("objdump"):
        pytest.skip("counts instructions of x86, by objdump")
    info = dict(line.split(": ", 1) for line in pymicrograd.build_info().splitlines())
    name = "clang" if "clang" in run(CC, "--version") else "gcc"
    if not info["compiler"].startswith(name) or "MICROGRAD_CFLAGS" in os.environ:
        pytest.skip(f"the extension was built with {info['compiler']}: {info['flags']}")
    kernels = library(SHIPPED) / "kernels"
    here = vector_instructions(kernels / "kernels_avx2.o", kernels / "kernels_avx512.o")
    there = vector_instructions(_micrograd.__file__)
    assert min(here[f"map_{f}_{t}"] for f in ("exp", "log", "tanh") for t in ("f32", "f64")) > 20
    unequal = {name: (count, there[name]) for name, count in here.items()
               if not count / 2 <= there[name] <= 2 * count}  # fmt: skip
    assert unequal == {}


# Bytes of the largest frames by file. A frame is small but where a kernel turns or packs elements
# into a tile of its own; all of them together fit into a stack of 64 KiB.
FRAMES = {
    "map.c": 21 << 10,  # a block of each operand, as it is and cast
    "move.c": 9 << 8,  # fold: windows and images of some items, views of 16 axes
    "vjp_reduce.c": 6 << 8,  # the gradient of prod: axes, shapes, and halves by level
    "script_load.c": 5 << 8,  # what loads, with a trace
    "tape_load.c": 8 << 8,  # the integers and numbers of a call
    "tape_save.c": 5 << 8,  # numbers of ops, of the file and of the library
    "update.c": 5 << 8,  # the views of a parameter, its gradient and its state
    "convolve.c": 9 << 8,  # views of all windows and of a group's, and walks along them
    "pool.c": 5 << 8,  # the view of all windows, and a walk
    "reduce.inc.c": 5 << 8,  # vectors of maxima and their positions, which do not fit registers
    "search.inc.c": 17 << 10,  # short rows, turned
    "lanes.inc.c": 17 << 10,  # 32 lanes of some columns
    "rows.inc.c": 17 << 10,  # two pieces of 512 elements, and partial sums by level
    "gemm.inc.c": 11 << 10,  # a panel of one vector's columns, and a tile
    "kernels.inc.c": 3 << 10,  # the last elements, as a whole vector
    "ops.def": 5 << 10,  # chunks of 128 elements, and constants of formulas
    "selftest.c": 36 << 10,  # the scratch memory of a product; it calls kernels alone
}


@pytest.mark.all
def test_frames_are_small(library: Callable[..., Path]) -> None:
    largest: dict[str, int] = {}
    count = 0
    for path in units(library(SHIPPED)):
        stack_usage = path.with_suffix(".su")
        for line in stack_usage.read_text().splitlines() if stack_usage.exists() else []:
            function, size, kind = line.split("\t")
            assert kind != "dynamic", function
            source = Path(function.split(":")[0]).name
            largest[source] = max(largest.get(source, 0), int(size))
            count += 1
    if not count:
        pytest.skip(f"{CC} writes no stack usage")
    assert count > 1000
    assert {name: size for name, size in largest.items() if size > FRAMES.get(name, 1024)} == {}


# These calls are of functions under way, but end at once: freeing asks for no room, and a kernel
# whose operands all are one element calls itself for this one.
BOUNDED = {"large_block_free": "arena_allocate"}


def test_nothing_recurses(library: Callable[..., Path]) -> None:
    """The call graph of the library, as gcc writes it, has no cycle but those that end at once."""
    if not GNU:
        pytest.skip(f"{CC} writes no call graph")
    calls: dict[str, set[str]] = {}
    for source in units(library(CHECKED)):
        text = source.with_suffix(".ci").read_text()
        for edge in re.findall(r'edge: \{ sourcename: "(.*?)" targetname: "(.*?)"', text):
            caller, callee = (name.split(":")[-1] for name in edge)
            by_itself = caller == callee and caller.startswith("map_")
            if not by_itself and BOUNDED.get(caller) != callee:
                calls.setdefault(caller, set()).add(callee)
    assert len(calls) > 800
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


def test_newest_clang_has_no_warnings() -> None:
    """A newer compiler knows more of them; every set of kernels is the same source."""
    if CLANG is None:
        pytest.skip("clang is not installed")
    core = ROOT / "csrc"
    flags = [*strict_flags(core), "-O0", "-Werror", "-fsyntax-only", "-I", core, "-I", PROGRAMS]
    files = [core / "all.c", core / "demo.c", core / "run_program.c", *sorted(PROGRAMS.glob("*.c"))]
    run(CLANG, *flags, *(path for path in files if path.name != "hash.c"))


@pytest.mark.parametrize("compiler", [CC, CLANG or "clang"])
def test_binding_has_no_warnings(compiler: str) -> None:
    """The build of the extension has Python's flags, under which these would pass by unseen."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    core, binding = ROOT / "csrc", ROOT / "pymicrograd" / "_binding"
    includes = ["-I", core, "-I", binding, "-isystem", sysconfig.get_paths()["include"]]
    flags = [*strict_flags(core), "-O0", "-Werror", "-fsyntax-only", *includes]
    run(compiler, *flags, *sorted(binding.glob("*.c")))


def test_tcc_is_told_what_it_lacks(tmp_path: Path) -> None:
    """Said by the macros that it has, for it is seldom installed."""
    command = [CC, "-std=c11", "-D__TINYC__=927", "-I", str(ROOT / "csrc"), "-fsyntax-only"]
    command += [str(ROOT / "csrc" / "base" / "dtype.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "needs <stdatomic.h> of C11" in done.stderr


FAST_MATH = ("-ffast-math", "-Ofast")
PARTS_OF_IT = (
    "-ffinite-math-only", "-freciprocal-math", "-fno-signed-zeros", "-fassociative-math",
    "-funsafe-math-optimizations",
)  # fmt: skip


@pytest.mark.parametrize("flag", FAST_MATH + PARTS_OF_IT)
def test_fast_math_is_refused(tmp_path: Path, flag: str) -> None:
    if flag in PARTS_OF_IT and not GNU:
        pytest.skip("only gcc tells of single parts: mg_selftest() finds them")
    source = ROOT / "csrc" / "numbers" / "float.c"
    more = ["-fno-signed-zeros", "-fno-trapping-math"] if "assoc" in flag else []
    command = [CC, "-std=c11", flag, *more, "-I", str(ROOT / "csrc"), "-c", str(source)]
    command += ["-o", str(tmp_path / "float.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "the core's digits are exact" in done.stderr


def problems_of(output: str) -> dict[str, int]:
    """Return what test_selftest tells of the build: problems by set of kernels."""
    found = re.findall(r"^(baseline|avx2|avx512): (\d+)$", output, re.MULTILINE)
    return {name: int(problems) for name, problems in found}


@pytest.mark.parametrize("flags", LEVELS, ids=["-O0", "-O3"])
def test_selftest_finds_nothing(build: Build, flags: str) -> None:
    output = run(build("test_selftest", flags))
    assert output.endswith(" 0 failed\n")
    assert set(problems_of(output).values()) == {0}
    if "not x86" in output:
        pytest.skip("rounding was tested; subnormal numbers can be flushed on x86 only")


FUSES, REORDERS = 1, 2
WRONG_BUILDS = [
    (CC, "-ffp-contract=fast -mfma", FUSES),
    (CLANG, "-ffp-contract=fast -mfma", FUSES),
    (CLANG, "-ffp-contract=off -freciprocal-math", REORDERS),
    (CLANG, "-ffp-contract=off -fassociative-math -fno-signed-zeros", REORDERS),
]
NAMES = ["cc fuses", "clang fuses", "clang multiplies by inverses", "clang reorders"]


@pytest.mark.all
@pytest.mark.parametrize(("compiler", "flags", "problem"), WRONG_BUILDS, ids=NAMES)
def test_selftest_finds_wrong_flags(
    library: Callable[..., Path], tmp_path: Path, compiler: str | None, flags: str, problem: int
) -> None:
    """Kernels that an embedder compiled with flags of his own: the set in use is the one told."""
    if compiler is None:
        pytest.skip("clang is not installed")
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the flags are those of x86")
    core = library(SHIPPED)
    kernels, wrong = tmp_path / "kernels.o", tmp_path / "wrong"
    strict = [flag for flag in strict_flags(core) if "fp-contract" not in flag]
    baseline = core / "kernels" / "kernels_baseline.c"
    # Beside other sets the baseline is compiled at -O1, where gcc fuses nothing.
    wrong_flags = ["-O2", "-DMG_BASELINE_ONLY", *flags.split(), *strict]
    run(compiler, *wrong_flags, "-I", core, "-c", baseline, "-o", kernels)
    source = PROGRAMS / "test_selftest.c"
    objects = [source, kernels, core / "libmicrograd.a"]
    run(CC, "-O1", *strict_flags(core), "-I", core, "-o", wrong, *objects, "-lm", "-lpthread")
    output = run(wrong)
    assert output.endswith(" 0 failed\n")
    found = problems_of(output)
    assert found.pop("baseline") == problem
    assert set(found.values()) <= {0}
