"""The reference on its own: nothing but Python, no cycles, and the same names as the C engine."""

from __future__ import annotations

import ast
import gc
import inspect
import pathlib
import subprocess
import sys
from typing import Any

import pytest
from programs import load

import pymicrograd
from pymicrograd import reference
from pymicrograd.nn.functional import either
from pymicrograd.optim.optimizer import DEFAULTS

PACKAGE = pathlib.Path(pymicrograd.__file__).parent
GROUND = (
    "arithmetic", "copies", "errors", "files", "losses", "modules", "networks", "recording",
    "scalars",
)  # fmt: skip
SOURCES = sorted((PACKAGE / "reference").glob("*.py"))
SOURCES += [PACKAGE / f"{name}.py" for name in GROUND]
NAMES = [".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts) for p in SOURCES]


TRAINING = """if True:
    import sys
    from {0} import Value, MLP, RNG, AdamW, cross_entropy, grad
    model = MLP(2, [3, 2], rng=RNG(1))
    optimizer = AdamW(model.parameters())
    loss = cross_entropy(model([[1.0, Value(2.0)]]), [1])
    loss.backward()
    optimizer.step()
    grad(loss, model.parameters(), create_graph=True)
    print(repr(loss), loss._prev)
    print(*sys.modules)
"""


def modules_of_a_training(package: str) -> set[str]:
    """Return the names of the modules that a training loads."""
    code = TRAINING.format(package)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_it_loads_no_compiled_code_and_no_numpy() -> None:
    loaded = modules_of_a_training("pymicrograd.reference")
    own = {name for name in loaded if name.startswith("pymicrograd.")}
    assert own <= {"pymicrograd.reference", *NAMES}
    assert not loaded & {"numpy", "cffi", "_cffi_backend"}


def test_the_c_engine_loads_no_numpy_either() -> None:
    assert "numpy" not in modules_of_a_training("pymicrograd")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_else_but_the_standard_library_is_imported(path: pathlib.Path) -> None:
    allowed = sys.stdlib_module_names - {"ctypes", "marshal", "pickle", "random", "statistics"}
    for node in ast.walk(ast.parse(path.read_text())):  # of the package: see test_layers.py
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None and node.module.split(".")[0] in allowed


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sums_of_floats_are_explicit_loops(path: pathlib.Path) -> None:
    """From CPython 3.12 on, sum() of floats is compensated: other digits."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("fsum", "sumprod", "dist", "hypot", "prod")
        if isinstance(node, ast.Name) and node.id == "sum":
            assert path.stem == "functional"  # which defines its own


def test_a_training_leaves_nothing_to_the_cyclic_collector() -> None:
    rng = reference.RNG(1)
    model = reference.MLP(2, [4, 2], rng=rng)
    optimizer = reference.AdamW(model.parameters())
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            rows = model([[0.1, 0.2], [0.3, -0.4]])
            loss = reference.cross_entropy(rows, [0, 1])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            (slope,) = reference.grad(loss, [model.parameters()[0]], create_graph=True)
        del rows, loss, slope
        assert gc.collect() == 0
    finally:
        gc.enable()


# What a generator has for Tensors: a state is one.
OF_GENERATORS = {
    "clone_state", "device", "get_state", "initial_seed", "manual_seed", "seed", "set_state"
}  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [lambda e: e.Value(1.0), lambda e: e.Value(1.0) + 1, lambda e: e.RNG(1), lambda e: e.Module(),
     lambda e: e.Neuron(2), lambda e: e.MLP(2, [1]), lambda e: e.SGD([e.Value(1.0)]),
     lambda e: e.AdamW([e.Value(1.0)]), lambda e: e.no_grad()],
)  # fmt: skip
def test_objects_have_the_same_names_and_all_are_documented(make: Any) -> None:
    c, its = make(load("c")), make(load("reference"))
    public = {name for name in dir(its) if not name.startswith("_")}
    ours = {name for name in dir(c) if not name.startswith("_")} - OF_GENERATORS
    of_tensors = {"begun", "buffers", "steps", "tensor_type"}
    of_optimizers = set(dir(pymicrograd.optim.Optimizer)) | {"defaults", "param_groups", "state"}
    if not isinstance(its, reference.optim.Optimizer):
        of_optimizers = set()
    of_rules = {"checks"} if of_optimizers else set()
    others = {"default_generator", "move", "value_type", *of_tensors, *of_optimizers, *of_rules}
    if isinstance(its, reference.Module):  # hooks and types are there for Tensors
        others |= set(dir(pymicrograd.nn.Module)) - set(dir(reference.Module))
    assert ours ^ public <= others
    for name in public & ours:
        for thing in (c, its):
            if inspect.ismethod(getattr(thing, name)):
                assert inspect.getdoc(getattr(thing, name)), name
    assert inspect.getdoc(c) and inspect.getdoc(its)
    if not isinstance(its, reference.optim.Optimizer):  # ours speak of Tensors, too
        assert inspect.getdoc(c) == inspect.getdoc(its)


@pytest.mark.parametrize("name", ["RNG", "Neuron", "Layer", "MLP", "manual_seed"])
def test_names_take_the_same_arguments(name: str) -> None:
    ours, its = (getattr(load(engine), name) for engine in ("c", "reference"))
    assert parameters(ours) == parameters(its)
    assert inspect.getdoc(ours) == inspect.getdoc(its) != ""


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_optimizers_take_the_same_arguments(name: str) -> None:
    """Of those of both kinds None is the reference's default for Values."""
    ours, its = (dict(parameters(getattr(load(engine), name))) for engine in ("c", "reference"))
    defaults = dict(DEFAULTS["Values"])
    defaults["weight_decay"] = defaults.pop("decoupled_decay")
    assert list(ours)[: len(its)] == list(its)  # the others are PyTorch's, of Tensors
    for argument, default in list(ours.items())[: len(its)]:
        assert its[argument] == (defaults[argument] if default is None else default), argument
    for engine in ("c", "reference"):
        assert inspect.getdoc(getattr(load(engine), name))


def test_grad_takes_the_same_arguments() -> None:
    from pymicrograd.value import grad  # pymicrograd.grad is for Tensors, too

    assert parameters(grad) == parameters(load("reference").grad)
    assert inspect.getdoc(grad) == inspect.getdoc(load("reference").grad) != ""


def test_functions_take_the_same_arguments() -> None:
    """Those that Tensors have, too, take the reference's names of arguments beside PyTorch's."""
    functions = load("reference").F
    assert set(functions.__all__) <= set(load("c").F.__all__)
    for name in functions.__all__:
        ours, its = getattr(load("c").F, name), getattr(functions, name)
        if name in either.__all__:
            assert dict(parameters(its)).keys() <= dict(parameters(ours)).keys(), name
            continue
        assert parameters(ours) == parameters(its), name
        assert inspect.getdoc(ours) == inspect.getdoc(its) != "", name


def parameters(function: Any) -> list[tuple[str, Any]]:
    """Return the names and defaults of a function's parameters."""
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]


def test_names_of_the_reference_are_names_at_the_top() -> None:
    for name in reference.__all__:
        if name not in ("random", "functional"):
            assert hasattr(pymicrograd, name), name
    for name in pymicrograd.__all__:
        assert getattr(pymicrograd, name) is not None or name == "newaxis"
    with pytest.raises(AttributeError):
        _ = pymicrograd.no_such_name
    assert set(pymicrograd.__all__) <= set(dir(pymicrograd))
    assert pymicrograd.engine.Value is pymicrograd.Value
    assert pymicrograd.nn.MLP is pymicrograd.MLP
