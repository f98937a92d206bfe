"""The package as it ships: what importing it loads, what it is built from, and what it contains."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from isolated import run_python

import pymicrograd
from pymicrograd import _core

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pymicrograd"


def toml_text() -> str:
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


# ---- imports ---------------------------------------------------------------------------------

# What takes long to import, or is not always there.
HEAVY = {
    "numpy", "matplotlib", "graphviz", "tqdm", "sklearn", "cffi", "pycparser", "argparse",
    "asyncio", "ctypes", "inspect", "multiprocessing", "pickle", "unittest", "zipfile",
}  # fmt: skip


def loaded_by(source: str) -> set[str]:
    """Return the modules that a program loads beside those of the interpreter itself."""
    source = f"import sys\nbefore = set(sys.modules)\n{source}\nprint(*set(sys.modules) - before)"
    return set(run_python(source, "-I").split())


@pytest.mark.parametrize(
    "source",
    [
        "import pymicrograd",
        "from pymicrograd import Value; (Value(2.0) * 3.0).backward()",
        "import pymicrograd.engine, pymicrograd.nn, pymicrograd.optim",
        "from pymicrograd import *",
        "import pymicrograd.reference",
    ],
)
def test_imports_are_light(source: str) -> None:
    loaded = {name.split(".")[0] for name in loaded_by(source)}
    assert loaded & HEAVY == set()


def test_import_alone_loads_one_module() -> None:
    loaded = loaded_by("import pymicrograd")
    assert {name for name in loaded if name.startswith("pymicrograd")} == {"pymicrograd"}
    assert "_cffi_backend" not in loaded


def test_reference_needs_no_c() -> None:
    """It works where the C core could not be built."""
    source = """
import sys
sys.modules["pymicrograd._micrograd"] = sys.modules["_cffi_backend"] = None
from pymicrograd.reference import MLP, RNG, AdamW, Value, cross_entropy
model = MLP(2, [3, 2], rng=RNG(1))
cross_entropy(model([0.5, 1.0]), 1).backward()
AdamW(model.parameters()).step()
import pymicrograd
try:
    pymicrograd.Value
except ImportError as error:
    print("ImportError")
"""
    assert run_python(source) == "ImportError\n"


def test_engines_do_not_load_each_others_core() -> None:
    loaded = loaded_by("import pymicrograd.reference")
    assert not {"pymicrograd._core", "pymicrograd._micrograd", "pymicrograd.value"} & loaded


def test_public_names() -> None:
    source = "from pymicrograd import *\nimport pymicrograd\nprint(*pymicrograd.__all__)\n"
    source += "assert set(pymicrograd.__all__) <= set(globals())"
    names = run_python(source).split()
    assert sorted(set(names)) == sorted(names)
    asked = {
        "Value", "RNG", "Module", "Neuron", "Layer", "MLP", "cross_entropy", "SGD", "Adam",
        "AdamW", "gen_data", "gen_data_yinyang", "draw_dot", "trace", "vis_color", "grad", "nn",
        "optim",
    }  # fmt: skip
    assert asked <= set(names)
    assert set(names) <= set(dir(pymicrograd))
    for name in set(names) - {"newaxis"}:  # which is None
        assert getattr(pymicrograd, name).__doc__, name


def test_import_paths_of_micrograd() -> None:
    from pymicrograd.engine import Value
    from pymicrograd.nn import MLP, Layer, Module, Neuron

    assert Value is pymicrograd.Value
    assert (Module, Neuron, Layer, MLP) == tuple(
        getattr(pymicrograd, name) for name in ("Module", "Neuron", "Layer", "MLP")
    )


def test_names_that_are_none() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Valeu'"):
        pymicrograd.Valeu  # noqa: B018
    with pytest.raises(ImportError):
        from pymicrograd import Valeu  # noqa: F401


# ---- what it is built from -------------------------------------------------------------------


def build_module() -> Any:
    """Return _cffi_build.py of this tree, which describes how to build it."""
    specification = importlib.util.spec_from_file_location("build", PACKAGE / "_cffi_build.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def info() -> dict[str, str]:
    return dict(line.split(": ", 1) for line in pymicrograd.build_info().splitlines())


def test_library_is_built_from_this_tree() -> None:
    """Tests of a stale binary would prove nothing."""
    assert info()["source"] == build_module().hash_source()


def test_versions_agree() -> None:
    version = pymicrograd.__version__
    assert info()["version"] == version
    assert build_module().read_version() == version
    changes = ROOT / "CHANGELOG.md"
    assert version in changes.read_text(encoding="utf-8")


def test_flags_keep_the_digits() -> None:
    flags = info()["flags"].split()
    assert "-ffp-contract=off" in flags
    assert "-fno-builtin-pow" in flags
    assert not any("fast" in flag or "march" in flag for flag in flags)


def test_binding_has_every_function_of_the_header() -> None:
    header = (ROOT / "csrc" / "micrograd.h").read_text(encoding="utf-8")
    public = header.split("/* BEGIN CDEF */")[1].split("/* END CDEF */")[0]
    assert "\n#" not in public
    names = set(re.findall(r"^\w[\w \*]*?\b(mg_\w+)\(", public, re.MULTILINE))
    assert len(names) > 40
    assert {name for name in names if not hasattr(_core.library.lib, name)} == set()


def test_dependencies() -> None:
    found = re.search(r"^dependencies = \[(.*?)^\]", toml_text(), re.MULTILINE | re.DOTALL)
    assert found
    needed = set(re.findall(r'"([a-z]+)', found.group(1)))
    assert needed == {"cffi", "numpy"}


# ---- what it contains ------------------------------------------------------------------------

FORBIDDEN_MODULES = {"pickle", "marshal", "ctypes", "shelve", "dill", "cloudpickle", "code"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_no_code_from_data(path: Path) -> None:
    """Nothing in the package makes code of data."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a module says what it holds"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported = {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported = {(node.module or "").split(".")[0]}
        else:
            imported = set()
        assert imported & FORBIDDEN_MODULES == set()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS


def test_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def copy_of_tree(folder: Path) -> Path:
    """Copy what is under version control, or would be."""
    ignore = shutil.ignore_patterns(
        ".git", "build", "dist", "*.egg-info", "__pycache__", "*.so", "*.o", "*.a", ".*cache",
        ".venv", "_micrograd.c", ".hypothesis",
    )  # fmt: skip
    shutil.copytree(ROOT, folder, ignore=ignore)
    return folder


def needs_setuptools() -> None:
    setuptools = pytest.importorskip("setuptools", reason="setuptools is not installed")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip(f"setuptools {setuptools.__version__} is older than 77")


def build_with(tree: Path, function: str, target: Path) -> Path:
    """Build a distribution by PEP 517, without isolation; returns its file."""
    target.mkdir()
    source = f"from setuptools.build_meta import {function} as build; build({str(target)!r})"
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the source distribution holds, extracted."""
    needs_setuptools()
    folder = tmp_path_factory.mktemp("distribution")
    archive = build_with(copy_of_tree(folder / "tree"), "build_sdist", folder / "sdist")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "extracted", filter="data")
    (tree,) = (folder / "extracted").iterdir()
    return tree


def test_source_distribution(source_tree: Path) -> None:
    """It has all it takes to build and test."""
    kept = {p.relative_to(source_tree).as_posix() for p in source_tree.rglob("*") if p.is_file()}
    for folder in ("csrc", "tests", "pymicrograd"):
        ours = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*.*")
            if path.suffix in (".c", ".h", ".def", ".py", ".pyi", ".sh", ".txt", ".md")
            and "__pycache__" not in path.parts
            and path.name != "_micrograd.c"
        }
        assert ours - kept == set()
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "setup.py"} <= kept
    assert not [name for name in kept if name.endswith((".so", ".o", ".a", ".pyc"))]


@pytest.mark.all
def test_wheel(source_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has what it takes to run. It is built unoptimized: what is in it is not its speed."""
    monkeypatch.setenv("MICROGRAD_CFLAGS", "-O0")
    wheel = build_with(source_tree, "build_wheel", tmp_path / "wheel")
    if not hasattr(sys, "_is_gil_enabled"):
        assert "-cp310-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as contents:
        names = set(contents.namelist())
        metadata = next(name for name in names if name.endswith("METADATA"))
        text = contents.read(metadata).decode()
        contents.extractall(tmp_path / "installed")
    assert {"pymicrograd/py.typed", "pymicrograd/__init__.py"} <= names
    page = {f"pymicrograd/web/{path.name}" for path in (PACKAGE / "web").iterdir()}
    assert page <= names and "pymicrograd/web/page.wasm" in page
    assert len([name for name in names if name.startswith("pymicrograd/_micrograd.")]) >= 1
    assert not [name for name in names if name.startswith(("csrc/", "tests/", "bench/"))]
    needed = re.findall(r"^Requires-Dist: (\w+)(?!.*extra ==)", text, re.MULTILINE)
    assert set(needed) == {"cffi", "numpy"}
    source = "import pymicrograd as mg; x = mg.Value(3.0); (x * x).backward()\n"
    source += "print(x.grad, mg.__file__); print(mg.build_info())"
    output = run_python(source, PYTHONPATH=str(tmp_path / "installed"))
    assert output.startswith(f"6.0 {tmp_path / 'installed'}")
    assert f"source: {build_module().hash_source()}" in output


BUILD = """
import runpy, sys, sysconfig
{change}
sys.argv = ["setup.py", "-q", "build_ext", "--inplace"]
runpy.run_path("setup.py", run_name="__main__")
"""

NO_HEADER = """
get_path = sysconfig.get_path
sysconfig.get_path = lambda name, *a, **k: (
    "/nowhere/include" if name == "include" else get_path(name, *a, **k)
)
"""


@pytest.mark.parametrize("missing", ["compiler", "header", "flag"])
def test_a_build_that_cannot_be_says_what_to_install(tmp_path: Path, missing: str) -> None:
    needs_setuptools()
    tree = copy_of_tree(tmp_path / "tree")
    source = BUILD.format(change=NO_HEADER if missing == "header" else "")
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    if missing == "compiler":
        environment["CC"] = "/nowhere/cc"
    elif missing == "flag":  # a compiler that is there, but fails
        environment["CC"] = f"{sys.executable} {tmp_path / 'compiler.py'}"
        (tmp_path / "compiler.py").write_text("raise SystemExit('/nowhere/ is no flag of mine')")
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "pymicrograd could not build its C core" in done.stderr
    assert "/nowhere/" in done.stderr
    assert "sudo apt install gcc python3-dev" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return setup.py as a module that built nothing."""
    setuptools = pytest.importorskip("setuptools", reason="setuptools is not installed")
    monkeypatch.setattr(setuptools, "setup", lambda **options: None)
    specification = importlib.util.spec_from_file_location("hook", ROOT / "setup.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(module, "write_to_terminal", lambda text: None)
    return module


@pytest.mark.parametrize("threads", [True, False])
def test_sources_are_compiled_side_by_side(
    hook: Any, tmp_path: Path, threads: bool, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Objects come in the order of their sources; without threads one after the other."""

    def start_no_thread(count: int) -> None:
        raise RuntimeError("can't start new thread")

    if not threads:
        monkeypatch.setattr(hook, "ThreadPoolExecutor", start_no_thread)
    sources = [str(tmp_path / name) for name in ("status.c", "small.c", "kernels_x.c", "large.c")]
    for size, source in enumerate(sources):
        Path(source).write_text(" " * size)
    macros: dict[str, list[str]] = {}

    def compile_one(names: list[str], **options: Any) -> list[str]:
        (name,) = names
        macros[Path(name).name] = [macro for macro, value in options["macros"]]
        return [name + ".o"]

    given = [("MG_SOURCE", "1"), ("OTHER", "2")]
    objects = hook.compile_side_by_side(compile_one, sources, macros=given)
    assert objects == [source + ".o" for source in sources]
    assert macros == {"status.c": ["MG_SOURCE", "OTHER"], "small.c": ["OTHER"],
                      "kernels_x.c": ["OTHER"], "large.c": ["OTHER"]}  # fmt: skip
    order = [Path(source).name for source in sorted(sources, key=hook.order_of_work)]
    assert order == ["kernels_x.c", "large.c", "small.c", "status.c"]
    last = "compiled 4 of 4 files" if threads else "compiled 0 of 4 files"
    assert capsys.readouterr().out.splitlines()[-1] == f"pymicrograd: {last}"


def test_a_failing_compiler_ends_the_build(hook: Any, tmp_path: Path) -> None:
    from setuptools.errors import CompileError

    (tmp_path / "a.c").touch()

    def compile_nothing(sources: list[str], **options: Any) -> list[str]:
        raise CompileError("no such flag")

    with pytest.raises(CompileError, match="no such flag"):
        hook.compile_side_by_side(compile_nothing, [str(tmp_path / "a.c")])
