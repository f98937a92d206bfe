"""The goals R1 to R24 in their quick forms: `python -m tests.reliability`, or some by name.

Prints a line each (goal, figure, limit, ok or FAIL) and exits with 1 if one failed. What a goal
needs and is not installed is said, and fails it. Full forms are in `tests/long.sh`. The rows name
the tests that hold a goal; the few measures that no test makes are functions here. Two goals are
checked at a time, for most wait now and then for one compiler or one emulator.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
Result = tuple[str, bool, list[str]]  # the figure, whether it keeps the limit, what did not
FLAGS = [word for line in (ROOT / "csrc" / "flags.txt").read_text().splitlines()
         for word in line.split("#")[0].split()]  # fmt: skip


def run(*command: object, cwd: Path = ROOT, limit: float = 900) -> tuple[int, str]:
    """Return the status of a command and what it printed."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, text=True, capture_output=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return 124, f"took longer than {limit:.0f} s"
    return done.returncode, done.stdout + done.stderr


@functools.cache
def made() -> tempfile.TemporaryDirectory[str]:
    """Return the folder of what tests of several goals compile."""
    return tempfile.TemporaryDirectory(prefix="reliability-")


def tests(*selection: str) -> Callable[[], Result]:
    """Make a check that runs tests of pytest: the figure is how many passed."""

    def check() -> Result:
        options = ("-q", "-n", "2", "-p", "no:cacheprovider", f"--made={made().name}")
        status, output = run(sys.executable, "-m", "pytest", *options, *selection)
        failures = re.findall(r"^(?:FAILED|ERROR) .*", output, re.MULTILINE)
        summary = ["", *output.strip().splitlines()][-1]
        counts = re.findall(r"\d+ (?:passed|failed|errors?|skipped)", summary)
        return ", ".join(counts) or "no tests", status == 0 and "passed" in output, failures

    return check


def same_bits() -> Result:
    """Count the configurations with one hash."""
    with tempfile.TemporaryDirectory() as folder:
        status, output = run("bash", "tests/bits.sh", "quick", folder)
    return (output.strip().splitlines() or ["nothing"])[-1], status == 0, []


# ---- coverage and mutants of csrc ------------------------------------------------------------

DEFINES = ("-DMG_BASELINE_ONLY", "-DMG_ASK_OFTEN=16")  # as the C tests have it in pytest
UNOPTIMIZED = ("-O0", *DEFINES)  # the library, of which each line is to be found again
PROGRAM = ("-O1", *DEFINES)  # the tests: most of the time is theirs

PROGRAMS = (
    "test_api", "test_handles", "test_faults", "test_backward 300", "test_random 5000 1",
    "test_arrays", "test_array_faults 1", "test_sweeps 3000", "test_updates", "test_large 1",
    "test_values", "test_programs", "test_work", "test_waits 10 10", "test_kernels",
    "test_scripts 60 2000", "test_gemm 40 1", "test_pool 3", "test_threads 100", "test_mode",
    "test_selftest", "hash",
)  # fmt: skip


def sources() -> list[Path]:
    """Return the sources of the library."""
    found = (ROOT / "csrc").rglob("*.c")
    others = ("all.c", "demo.c", "run_program.c")
    return sorted(p for p in found if ".inc." not in p.name and p.name not in others)


def compile_library(folder: Path, *flags: str) -> bool:
    """Compile all sources into a folder, two at a time."""
    names = "\n".join(map(str, sources()))
    command = f"xargs -P 2 -n 1 gcc {' '.join(FLAGS)} {' '.join(flags)} -I{ROOT / 'csrc'} -c"
    done = subprocess.run(command, shell=True, cwd=folder, input=names.encode(), check=False)
    return done.returncode == 0


def compile_test(folder: Path, name: str) -> Path:
    """Compile a test program into a folder; returns the object."""
    made = folder / f"{name}.o"
    source = ROOT / "tests" / "csrc" / f"{name}.c"
    status, output = run("gcc", *FLAGS, *PROGRAM, f"-I{ROOT / 'csrc'}", "-c", "-o", made, source)
    assert status == 0, output
    return made


def link(program: Path, *objects: Path | str) -> Path:
    """Link a program of objects; returns it."""
    status, output = run("gcc", "-o", program, *objects, "-lm", "-pthread")
    assert status == 0, output
    return program


def coverage() -> Result:
    """Measure lines and branches of csrc that the C tests reach, by gcov."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not compile_library(folder, *UNOPTIMIZED, "--coverage"):
            return "does not compile", False, []

        objects = list(folder.glob("*.o"))
        (folder / "tests").mkdir()

        def run_program(command: str) -> None:
            name, *arguments = command.split()
            made = compile_test(folder / "tests", name)
            status, output = run(link(folder / name, made, *objects, "--coverage"), *arguments)
            assert status == 0, f"{command}\n{output}"

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run_program, PROGRAMS))
        how = "--json-format", "--stdout", "--branch-probabilities"
        _, output = run("gcov", *how, *folder.glob("*.gcda"), cwd=folder)
    lines: dict[tuple[str, int], bool] = {}
    branches: dict[tuple[str, int, int], bool] = {}
    for report in output.splitlines():  # one of each unit; what is included stands in several
        for file in json.loads(report)["files"] if report.startswith("{") else ():
            if not Path(file["file"]).is_relative_to(ROOT / "csrc"):
                continue
            for line in file["lines"]:
                place = file["file"], line["line_number"]
                lines[place] = lines.get(place, False) or line["count"] > 0
                for i, branch in enumerate(line["branches"]):
                    way = (*place, i)
                    branches[way] = branches.get(way, False) or branch["count"] > 0
    if not lines:
        return "gcov found nothing", False, []
    of_lines, of_branches = (
        100.0 * sum(reached.values()) / len(reached) for reached in (lines, branches)
    )
    return f"{of_lines:.1f} % lines, {of_branches:.1f} % branches", of_lines >= 95, []


# A change of a source that a test in C is to notice: the file, what stands there, what then does.
MUTANTS = (
    ("numbers/numbers.h", "data - set->lr * d;", "data + set->lr * d;"),
    ("numbers/numbers.h", "data - set->lr * change", "data + set->lr * change"),
    ("numbers/numbers.h", "1.0 - set->beta1)", "1.0 + set->beta1)"),
    ("numbers/layers.c", "if (data > most) most", "if (data < most) most"),
    ("numbers/layers.c", "        handle_undo(build->arena, out[i]);\n", ""),
    ("numbers/emit.c", "while (build->status < 0 && i > 0)", "while (build->status < 0 && i > 1)"),
    ("numbers/given.c", "at->data * gradient", "gradient"),
    ("numbers/given.c", "    a->gradient = before[0];\n", ""),
    ("arrays/factors.c", "1.0 - lr * weight_decay", "1.0 + lr * weight_decay"),
    ("arrays/factors.c", "begun ? 1.0 - u->dampening", "begun ? 1.0 + u->dampening"),
    ("arrays/index.c", "*there = (T)(*there + *own))\nGET_LOOP", "*there = *own)\nGET_LOOP"),
    ("kernels/reduce.inc.c", "more = (v > m)", "more = (v >= m)"),
    ("arrays/product.c", "int64_t i = 0; i < p->m; i++", "int64_t i = 0; i <= p->m; i++"),
    ("arrays/product.c", "int64_t k = 0; k < p->k; k++", "int64_t k = 1; k < p->k; k++"),
    (
        "arrays/convolve.c",
        "(of_image * p.m * job->windows + first)",
        "(of_image * p.m * job->windows)",
    ),
    ("arrays/convolve.c", "target = to + (rows.offset[0] + part.at)", "target = to + (part.at)"),
    ("arrays/sweep.c", "work >= budget", "work < budget"),
    ("arrays/sweep.c", "        if (old) node_release(s->arena, old);\n", ""),
    ("arrays/vjp_product.c", "2 + (d + axes) % (2 * axes)", "2 + d"),
    ("kernels/update.inc.c", "p[i] = p[i] - lr * (d + ahead", "p[i] = p[i] + lr * (d + ahead"),
    ("kernels/update.inc.c", "keep * p[i] - step * (m[i]", "keep * p[i] + step * (m[i]"),
    ("store/node.c", "--node_at(arena, a)->references == 0", "node_at(arena, a)->references == 0"),
    ("store/node.c", "MG_RETURN_IF(found->handles == 0, MG_ERR_STALE)", ""),
    ("store/node.c", "    found->handles--;\n", ""),
    ("store/memory.c", "growth > arena->limit - arena->bytes", "growth < arena->limit"),
    ("store/buffer.c", "    a->buffer->references++;\n", ""),
    ("base/rng.c", "n - 1; i > 0", "n - 1; i > 1"),
)
WATCHERS = (
    "test_updates", "test_handles", "test_api", "test_arrays", "test_backward 100", "test_values",
    "test_array_faults 0", "test_sweeps 500", "test_faults",
)  # fmt: skip


def unit_of(name: str) -> str:
    """Return the file that is compiled where a file is changed."""
    units = {"numbers/numbers.h": "numbers/optim.c"}
    return "kernels/kernels_baseline.c" if name.endswith(".inc.c") else units.get(name, name)


def compile_mutant(folder: Path, name: str, before: str, after: str) -> Path:
    """Compile a source with a change; returns the object."""
    core, target = folder / "csrc", folder / "mutant.o"
    run("cp", "-r", ROOT / "csrc", core)
    text = (core / name).read_text()
    assert text.count(before) == 1, f"{name}: {before!r} is not there, or not once"
    (core / name).write_text(text.replace(before, after))
    status, output = run("gcc", *FLAGS, *UNOPTIMIZED, f"-I{core}", "-c",
                         "-o", target, core / unit_of(name))  # fmt: skip
    assert status == 0, output
    return target


def is_killed(library: Path, change: tuple[str, str, str]) -> bool:
    """Tell whether a test in C fails with one object in the place of another."""
    replaced = Path(unit_of(change[0])).with_suffix(".o").name
    others = [path for path in library.glob("*.o") if path.name != replaced]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mutant = compile_mutant(folder, *change)
        for command in WATCHERS:
            test, *arguments = command.split()
            program = link(folder / test, library / "tests" / f"{test}.o", *others, mutant)
            if run(program, *arguments, limit=120)[0] != 0:
                return True
    return False


def mutants() -> Result:
    """Count the changes of csrc that the C tests notice."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not compile_library(folder, *UNOPTIMIZED):
            return "does not compile", False, []
        (folder / "tests").mkdir()
        with ThreadPoolExecutor(2) as pool:
            names = [command.split()[0] for command in WATCHERS]
            list(pool.map(functools.partial(compile_test, folder / "tests"), names))
            killed_ones = list(pool.map(functools.partial(is_killed, folder), MUTANTS))
    left = [" ".join(("not noticed:", *mutant))
            for mutant, killed in zip(MUTANTS, killed_ones, strict=True) if not killed]  # fmt: skip
    killed = len(MUTANTS) - len(left)
    return f"{killed} of {len(MUTANTS)} noticed", killed >= 0.95 * len(MUTANTS), left


def no_code() -> Result:
    """Count modules of the package that could run code from data."""
    pattern = re.compile(
        r"^\s*(?:import|from) (?:pickle|marshal|ctypes)\b|(?<![.\w])(?<!def )(?:eval|exec)\("
    )
    found = [path.name for path in (ROOT / "pymicrograd").rglob("*.py")
             if path.name != "_cffi_build.py"
             and any(pattern.search(line) for line in path.read_text().splitlines())]  # fmt: skip
    return f"{len(found)} modules {' '.join(found)}".strip(), not found, []


# ---- the goals -------------------------------------------------------------------------------

REST = "test_program and not (mode or faults or random or fuzz or deep or api)"  # no other's
LIBRARY = "needs_little or recurses or cpp or no_warnings or frames or the_bits"
GOALS: dict[str, tuple[str, str, Callable[[], Result]]] = {
    "R1": ("same bits everywhere", "1 hash", same_bits),
    "R2": ("batch and threads", "all pass", tests("tests/test_invariance.py")),
    "R3": ("functions to an ulp", "all pass", tests("tests/test_vmath.py")),
    "R4": ("random numbers for ever", "all pass", tests("tests/test_random.py")),
    "R5": ("old files, old bits", "all pass", tests("tests/test_saving.py", "-k", "bytes or bit")),
    "R6": ("the canary", "all pass", tests("tests/test_csrc.py", "-k", "selftest or fast_math")),
    "R7": ("hostile modes", "all pass", tests("tests/test_csrc.py", "tests/test_invariance.py",
                                              "-k", "test_mode or rounding")),
    "R8": ("gradients of every op", "all pass", tests("tests/test_gradients.py")),
    "R9": ("values at edges", "all pass", tests("tests/test_tensor_ops.py")),
    "R10": ("as micrograd does", "all pass", tests("tests/test_differential.py",
                                                   "tests/test_micrograd_programs.py")),
    "R11": ("coverage of csrc in C", ">= 95 % lines", coverage),
    "R12": ("a sample of mutants", ">= 95 %", mutants),
    "R13": ("out of memory", "all pass", tests("tests/test_csrc.py", "-k", "faults")),
    "R14": ("sanitizers, C", "all pass", tests("tests/test_csrc.py", "-k", REST)),
    "R15": ("threads", "all pass", tests("tests/test_threads.py")),
    "R16": ("random calls", "all pass", tests("tests/test_csrc.py", "-k", "fuzz or random")),
    "R17": ("files", "all pass", tests("tests/test_saving.py")),
    "R18": ("depth", "all pass", tests("tests/test_csrc.py", "--tier", "all", "-k", "deep")),
    "R19": ("limits", "all pass", tests("tests/test_csrc.py", "-k", "full_arena or test_api")),
    "R20": ("leaks", "all pass", tests("tests/test_memory.py")),
    "R21": ("Ctrl-C", "all pass", tests("tests/test_process.py", "-k", "interrupt")),
    "R22": ("hostile Python", "all pass", tests("tests/test_hostile.py")),
    "R23": ("embedding", "all pass", tests("tests/test_csrc.py", "--tier", "all", "-k", LIBRARY)),
    "R24": ("no code in data", "0 modules", no_code),
}  # fmt: skip


def verdict(name: str) -> bool:
    """Check a goal, and print its line; tells whether it holds."""
    text, limit, check = GOALS[name]
    start = time.monotonic()
    figure, holds, failures = check()
    end = f"{'ok' if holds else 'FAIL':4} {time.monotonic() - start:4.0f} s"
    lines = [f"{name:4} {text:24} {figure:44} {limit:14} {end}"]
    print("\n       ".join(lines + failures), flush=True)
    return holds


def main(names: list[str]) -> int:
    """Check the goals of these names, or all; returns 1 if one failed."""
    start = time.monotonic()
    made()  # once, before two ask for it
    with ThreadPoolExecutor(2) as pool:
        holding = list(pool.map(verdict, names or GOALS))
    used = sum(os.times()[:4])  # of this process and those that it has waited for
    print(f"{sum(holding)} of {len(holding)} hold; {time.monotonic() - start:.0f} s, "
          f"{used:.0f} s of processors")  # fmt: skip
    return int(not all(holding))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
