"""Programs in files: what is loaded goes on as what was saved would; what is damaged is refused."""

from __future__ import annotations

import functools
import gc
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import test_programs as of_tensors
import test_programs_of_values as of_values
from test_programs_of_values import HOSTILE, OPTIMIZERS, bits, classifier, loop, outcome, state

import pymicrograd
from pymicrograd import Value, compile, nn, optim, programs
from pymicrograd.errors import OutOfMemoryError, RecordingError
from pymicrograd.nn import functional as F
from pymicrograd.pictures import to_dot
from pymicrograd.reference.program import NumberProgram


def sealed(content: bytes) -> bytes:
    """Return a file with the size and the checksum that it should have."""
    size = struct.pack("<Q", len(content))
    content = content[:16] + size + content[24:]
    return content[:8] + struct.pack("<I", zlib.crc32(content[16:])) + content[12:]


def saved(program: Any, folder: Path, *args: Any, **named: Any) -> bytes:
    program.save(folder / "program.mgp", *args, **named)
    return (folder / "program.mgp").read_bytes()


def numbers_of(program: Any) -> list[Any]:
    """Return what all nodes of a program hold, of the library or of the reference."""
    if isinstance(program, NumberProgram):
        both = zip(program.data, program.gradients, strict=True)
        return bits([x for pair in both for x in pair])
    return state(list(program.parameters.values()))


# ---- programs of Values ----------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_from_a_file(name: str, tmp_path: Path) -> None:
    model, optimizer, loss_of = classifier(OPTIMIZERS[name])
    twin, twin_optimizer, twin_loss_of = classifier(OPTIMIZERS[name])
    program = compile(loss_of(), optimizer)
    assert program.run(3) == loop(twin_loss_of, twin_optimizer, 3)
    content = saved(program, tmp_path, names=model)
    stored = programs.load(tmp_path / "program.mgp")
    assert saved(stored, tmp_path) == content
    reference = NumberProgram(content)
    expected = loop(twin_loss_of, twin_optimizer, 5)
    assert stored.run(2) + stored.run(3) == expected == reference.run(5)
    assert numbers_of(stored) == numbers_of(reference)
    named = dict(twin.named_parameters())
    assert state([stored.parameters[key] for key in named]) == state(list(named.values()))
    assert state(list(model.parameters())) != state(list(twin.parameters()))  # which stay
    assert reference.names[: len(named)] == list(named)
    again = programs.load(tmp_path / "program.mgp")  # a file is a state
    assert again.run(5) == expected
    assert saved(again, tmp_path) == saved(stored, tmp_path)


def test_random_graphs(tmp_path: Path) -> None:
    """Also what they raise, and what they leave then."""
    raised = 0
    for seed in range(48):
        graph, rng = of_values.Graph(seed, 4, (8, 30, 120)[seed % 3]), random.Random(seed)
        leaves = [Value(rng.gauss(0, 1)) for _ in range(4)]
        program = compile(of_values.in_order_of_walk(graph, leaves))
        content = saved(program, tmp_path, names={f"x{i}": x for i, x in enumerate(leaves)})
        stored, reference = programs.load(tmp_path / "program.mgp"), NumberProgram(content)
        used = [i for i in range(4) if f"x{i}" in stored.parameters]
        kept, twins = [stored.parameters[f"x{i}"] for i in used], [leaves[i] for i in used]
        for turn in range(3):
            row = [rng.gauss(0, 1) for _ in leaves]
            if seed % 2 and turn:
                row = [rng.choice((x, rng.choice(HOSTILE))) for x in row]
            for i in used:
                stored.parameters[f"x{i}"].data = leaves[i].data = row[i]
                reference.data[reference.names.index(f"x{i}")] = row[i]
            expected = outcome(program.run)
            raised += expected is not None
            assert outcome(stored.run) == outcome(reference.run) == expected, (seed, row)
            assert bits(stored.losses) == bits(program.losses)
            assert numbers_of(stored) == numbers_of(reference), (seed, row)
            assert state(kept) == state(twins)
    assert 10 < raised < 130


def test_a_function_with_inputs(tmp_path: Path) -> None:
    step, parameters, _ = of_values.make_steps(functools.partial(compile, values=True))
    rows, targets = [[0.5, -1.0], [2.0, 0.25]], (1, 2)
    with pytest.raises(ValueError, match="call the function first"):
        step.save(tmp_path / "none.mgp")
    for _ in range(2):
        step(rows, targets, 0.5)
    content = saved(step, tmp_path, names={"first": parameters[0]})
    assert content == saved(step, tmp_path, rows, targets, 0.5, names={"first": parameters[0]})
    stored, reference = programs.load(tmp_path / "program.mgp"), NumberProgram(content)
    assert stored.inputs == 7 and "first" in stored.parameters  # labels are inputs, too
    for scale, targets in ((2.0, (1, 2)), (0.125, (0, 1)), (0.5, (2, 2))):
        loss, others = step(rows, targets, scale)
        inputs = [0.5, -1.0, 2.0, 0.25, *map(float, targets), scale]
        assert stored(*inputs) == [x.data for x in (loss, *others)]
        reference.inputs = inputs
        reference.run()
        assert reference.outputs == [x.data for x in (loss, *others)]
    assert numbers_of(stored) == numbers_of(reference)
    with pytest.raises(ValueError, match="no program of such a call"):
        step.save(tmp_path / "program.mgp", rows, (1, 3), 0.5)
    with pytest.raises(TypeError, match="7 inputs, not 1"):
        stored(1.0)


def test_names_are_of_what_the_program_has(tmp_path: Path) -> None:
    w, path = Value(1.0), tmp_path / "program.mgp"
    of_value = compile(w * w)
    of_tensor = compile(lambda x: x * 2.0)
    of_tensor(pymicrograd.ones(2))
    for program, other in ((of_value, pymicrograd.ones(2)), (of_tensor, w)):
        with pytest.raises(TypeError, match=r"a module or a mapping of names to .*, not 3"):
            program.save(path, names=3)
        with pytest.raises(TypeError, match=r"names: 'w' is .*, no "):
            program.save(path, names={"w": other})
        with pytest.raises(ValueError, match="7 cannot name a"):
            program.save(path, names={7: other})
        with pytest.raises(FileNotFoundError, match=r"none/program\.mgp"):
            program.save(tmp_path / "none" / "program.mgp")
    assert not path.exists()


def test_of_several_programs_a_call_tells_which(tmp_path: Path) -> None:
    path, of_tensor = tmp_path / "program.mgp", compile(lambda x: x * 2.0)
    of_value = compile(lambda x, name: x * 2.0, values=True)
    calls: Any = ((of_value, (1.0, "a"), (1.0, "b"), (1.0, "c")),
                  (of_tensor, *((pymicrograd.ones(n),) for n in (1, 2, 3))))  # fmt: skip
    for function, first, second, other in calls:
        function(*first)
        assert function.to_c() == function.to_c(None, *first)
        function(*second)
        for act in (function.to_c, lambda f=function: f.save(path), lambda f=function: to_dot(f)):
            with pytest.raises(ValueError, match="has programs of 2 calls: give arguments of one"):
                act()
        function.save(path, *second)
        assert len(function.to_c(None, *second)) > 1000
        with pytest.raises(ValueError, match="no program of such a call"):
            function.save(path, *other)
        assert len(function.explain().splitlines()) >= 3


def test_options_and_numbers_may_be_set(tmp_path: Path) -> None:
    w = Value(1.0)
    program = compile(w * w, optim.SGD([w], lr=0.25))
    saved(program, tmp_path, names={"w": w})
    stored = programs.load(tmp_path / "program.mgp")
    (update,) = stored.optimizers
    update.lr = 0.5
    stored.parameters["w"].data = 3.0
    assert stored.run(2) == [9.0, 0.0] and w.data == 1.0
    with pytest.raises(AttributeError, match="no rate"):
        update.rate = 1.0
    update.beta1 = 0.5
    assert stored.run(1) == [0.0]
    assert "SGD(lr=0.5" in repr(update) and "1 lanes" not in repr(stored)
    with pytest.raises(ValueError, match="cannot name"):
        program.save(tmp_path / "program.mgp", names={"a\0b": w})


# ---- damage ----------------------------------------------------------------------------------


def small_file(folder: Path) -> bytes:
    model, optimizer, loss_of = classifier(OPTIMIZERS["groups"], 2, 2)
    return saved(compile(loss_of(), optimizer), folder, names=model)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    content, path = small_file(tmp_path), tmp_path / "damaged.mgp"
    gc.collect()
    before = pymicrograd.memory_usage()["nodes"]
    cases = [b"", b"MGP1", content[:-1], content + b"\0", b"PK" + content[2:]]
    rng = random.Random(3)
    for at in (*range(0, 64, 3), *rng.sample(range(len(content)), 60)):
        changed = bytearray(content)
        changed[at] ^= 1 << rng.randrange(8)
        cases.append(bytes(changed))
    for case in cases:
        path.write_bytes(case)
        with pytest.raises(ValueError, match=r"damaged\.mgp: no intact program file"):
            programs.load(path)
    gc.collect()
    assert pymicrograd.memory_usage()["nodes"] == before
    with pytest.raises(OSError):
        programs.load(tmp_path / "missing.mgp")
    with pytest.raises(ValueError, match="not a regular file"):
        programs.load(tmp_path)
    with pytest.raises(ValueError):
        NumberProgram(cases[2])


def test_wrong_words_under_a_right_checksum(tmp_path: Path) -> None:
    """Refused, by C and the reference, or a program of something else that both run alike."""
    content, path, rng = small_file(tmp_path), tmp_path / "wrong.mgp", random.Random(4)
    refused = 0
    for _ in range(120):
        changed = bytearray(content)
        at = rng.choice((rng.randrange(24, 64), rng.randrange(64, len(content)))) // 4 * 4
        changed[at : at + 4] = struct.pack("<I", rng.choice((0, 1, 7, 2**31, 2**32 - 1)))
        path.write_bytes(sealed(bytes(changed)))
        try:
            stored = programs.load(path)
        except ValueError as error:
            assert "wrong.mgp" in str(error)
            refused += 1
            with pytest.raises(ValueError):
                NumberProgram(path.read_bytes())
            continue
        reference = NumberProgram(path.read_bytes())
        assert outcome(lambda of=stored: bits(of.run(2))) == outcome(
            lambda of=reference: bits(of.run(2))
        )
        assert numbers_of(stored) == numbers_of(reference)
    assert 40 < refused < 120


def test_behind_names_are_zeros(tmp_path: Path) -> None:
    content, path = small_file(tmp_path), tmp_path / "wrong.mgp"
    name = b"mul\0"
    for at in (content.index(name) + len(name), content.index(name) + 23):
        path.write_bytes(sealed(content[:at] + b"x" + content[at + 1 :]))
        for make in (lambda: programs.load(path), lambda: NumberProgram(path.read_bytes())):
            with pytest.raises(ValueError, match="program file"):
                make()


def test_nothing_is_left_in_memory(tmp_path: Path) -> None:
    small_file(tmp_path)
    for turn in range(3):
        stored = programs.load(tmp_path / "program.mgp")
        stored.run(2)
        saved(stored, tmp_path)
        del stored
        gc.collect()
        usage = pymicrograd.memory_usage()
        if turn == 0:
            before = usage
    assert (usage["nodes"], usage["bytes"]) == (before["nodes"], before["bytes"])


# ---- programs of Tensors ---------------------------------------------------------------------


def conv() -> Any:
    layers = [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Dropout(0.25), nn.Linear(12, 3))


MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3)), (6, 2)),
    "conv": (conv, (4, 1, 6, 6)),
    "norm": (lambda: nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.GELU(), nn.Dropout(0.5),
                                   nn.Linear(4, 3)), (6, 5)),
}  # fmt: skip
RULES: dict[str, Any] = {
    "SGD": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "AdamW": lambda ps: optim.AdamW(ps, lr=0.01, amsgrad=True),
    "NAdam": lambda ps: optim.NAdam(ps, lr=0.01),
    "RMSprop": lambda ps: optim.RMSprop(ps, lr=0.01, centered=True),
    "Rprop": lambda ps: optim.Rprop(ps, lr=0.01),
}


def training(model_name: str, rule: str) -> Any:
    """Return a model, a step that trains it, and a batch."""
    make, shape = MODELS[model_name]
    pymicrograd.manual_seed(3)
    model = make()
    optimizer = RULES[rule](model.parameters())
    x, y = pymicrograd.randn(*shape), pymicrograd.randint(0, 3, shape[:1])

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return model, step, (x, y)


def elements(tensors: Any) -> list[Any]:
    return [x.tolist() for x in tensors]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("model_name", MODELS)
def test_tensors_go_on_from_a_file(model_name: str, rule: str, tmp_path: Path) -> None:
    twin, twin_step, batch = training(model_name, rule)
    expected = [twin_step(*batch).item() for _ in range(6)]
    twin_state = elements(twin.state_dict().values())
    model, step, batch = training(model_name, rule)
    compiled = compile(step)
    assert [compiled(*batch).item() for _ in range(2)] == expected[:2]
    content = saved(compiled, tmp_path, *batch, names=model)
    stored = programs.load(tmp_path / "program.mgp")
    assert saved(stored, tmp_path) == content
    assert [stored(*batch)[0].item() for _ in range(2)] == expected[2:4]
    again = programs.StoredTensorProgram(saved(stored, tmp_path))
    assert stored.run(2)[0].item() == again.run(2)[0].item() == expected[5]
    for program in (stored, again):
        named = [program.parameters[name] for name in twin.state_dict() if "num_" not in name]
        known = [x for name, x in twin.state_dict().items() if "num_" not in name]
        assert elements(named) == elements(known)
    assert elements(model.state_dict().values()) != twin_state


def test_random_programs_of_tensors(tmp_path: Path) -> None:
    """With writes in place, views, random numbers, gradients that are kept."""
    kept = 0
    for seed in range(24):
        model = of_tensors.Random(of_tensors.random_program(random.Random(seed)))
        names = {"p": model.p, "q": model.q, "a": model.state[0], "b": model.state[1]}
        compiled = compile(model.step)
        rows = [of_tensors.data((3, 3), 10 + k) for k in range(5)]
        try:
            compiled(rows[0]), compiled(rows[1])
            saved(compiled, tmp_path, rows[1], names=names)
        except (RecordingError, ValueError, RuntimeError):
            continue
        stored = programs.load(tmp_path / "program.mgp")
        kept += 1
        for x in rows[2:]:
            results, loss = model.step(x)
            found = [of_tensors.bits(y) for y in stored(x)]
            assert found == [of_tensors.bits(y) for y in (*results, loss)], seed
            for name in names.keys() & stored.parameters.keys():
                assert of_tensors.bits(stored.parameters[name]) == of_tensors.bits(names[name])
    assert kept > 8


def test_a_call_of_many_operands(tmp_path: Path) -> None:
    compiled = compile(lambda x: pymicrograd.cat([x * float(i) for i in range(300)]))
    expected = compiled(pymicrograd.ones(2))
    saved(compiled, tmp_path)
    assert elements(programs.load(tmp_path / "program.mgp").run()) == elements([expected])


def test_a_view_that_was_gone_is_in_nobodys_way(tmp_path: Path) -> None:
    """A write that is recorded is refused beside a view; the file's view goes when it went."""
    w = pymicrograd.ones(3, requires_grad=True)

    def step(x: Any) -> Any:
        y = x * 1.0
        total = y[0].sum()
        y[1] = w * 2.0
        return y.detach() + total

    compiled, x = compile(step), pymicrograd.ones(2, 3)
    expected = elements([compiled(x)])
    saved(compiled, tmp_path)
    assert elements(programs.load(tmp_path / "program.mgp")(x)) == expected


def test_checks_of_elements_are_in_a_file(tmp_path: Path) -> None:
    x = pymicrograd.zeros(2, 3)
    good, bad = pymicrograd.tensor([0, 2]), pymicrograd.tensor([0, -1])
    chances = pymicrograd.tensor([0.5, 0.25])
    losses = {
        IndexError: (lambda t: F.nll_loss(x, t), good, bad),
        ValueError: (lambda p: F.binary_cross_entropy(p, chances), chances, chances * 8.0),
    }
    for error, (loss, right, wrong) in losses.items():
        compiled = compile(loss)
        compiled(right)
        with pytest.raises(error):
            compiled(wrong)
        saved(compiled, tmp_path)
        stored = programs.load(tmp_path / "program.mgp")
        for _ in range(2):
            assert elements(stored(right)) == elements([loss(right)])
            with pytest.raises(error):
                stored(wrong)


def test_what_a_file_of_tensors_cannot_tell(tmp_path: Path) -> None:
    x = pymicrograd.ones(3, requires_grad=True)
    hooked = pymicrograd.ones(3, requires_grad=True)
    hooked.register_hook(lambda g: g * 2.0)

    cases = {
        "more than 16": lambda v: (pymicrograd.autograd.backward([x * v] * 17, [v] * 17), v * 2.0)[
            1
        ],
        "hooks": lambda v: ((hooked * v).sum().backward(), v * 2.0)[1],
    }
    for text, function in cases.items():
        compiled = compile(function)
        compiled(pymicrograd.ones(3))
        with pytest.raises(RecordingError, match=text):
            compiled.save(tmp_path / "program.mgp")
    compiled = compile(lambda v: v + 1.0)
    with pytest.raises(ValueError, match="call the function first"):
        compiled.save(tmp_path / "program.mgp")
    compiled(pymicrograd.ones(3))
    saved(compiled, tmp_path)
    stored = programs.load(tmp_path / "program.mgp")
    assert stored(pymicrograd.zeros(3))[0].tolist() == [1.0] * 3
    with pytest.raises(ValueError, match=r"of shape \(3,\), not"):
        stored(pymicrograd.zeros(4))
    with pytest.raises(TypeError, match="1 inputs, not 2"):
        stored(x, x)
    assert not (tmp_path / "program.mgp2").exists()


def test_numbers_of_groups_may_be_set(tmp_path: Path) -> None:
    """Of an optimizer that makes two steps both follow; a file has what was set."""
    ps = [pymicrograd.ones(2, requires_grad=True), pymicrograd.ones(3, requires_grad=True)]
    first = optim.SGD([{"params": ps[:1], "lr": 0.25}, {"params": ps[1:]}], lr=0.5)
    second = optim.Adam(ps, lr=0.125)

    def step() -> Any:
        for optimizer in (first, second, first):
            loss = sum((p * p).sum() for p in ps)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss

    compiled = compile(step)
    compiled()
    content = saved(compiled, tmp_path)
    stored = programs.load(tmp_path / "program.mgp")
    sgd, adam = stored.optimizers
    assert [group.lr for group in sgd.groups] == [0.25, 0.5] and adam.lr == 0.125
    with pytest.raises(AttributeError, match="lr is not one of all groups"):
        sgd.lr  # noqa: B018
    with pytest.raises(AttributeError, match=r"adam has lr, .*, no rate"):
        adam.rate = 1.0
    assert saved(stored, tmp_path) == content
    sgd.groups[1].lr, adam.lr = 0.0625, 0.0
    first.param_groups[1]["lr"], second.param_groups[0]["lr"] = 0.0625, 0.0
    assert "lr=0.0625" in repr(sgd)
    assert stored.run()[0].item() == step().item()
    again = programs.StoredTensorProgram(saved(stored, tmp_path))
    assert repr(again.optimizers) == repr(stored.optimizers)
    assert again.run(2)[0].item() == [step().item() for _ in range(2)][1]


def test_a_scheduler_is_not_in_a_file(tmp_path: Path) -> None:
    """`save` says so; the step without it goes on, with rates that are set."""

    def step(x: Any) -> Any:
        loss = ((w * x) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def scheduled(x: Any) -> Any:
        loss = step(x)
        scheduler.step()
        return loss

    x, expected = pymicrograd.tensor([1.0, -0.5, 2.0]), []
    for compiles in (False, True):
        w = pymicrograd.ones(3, requires_grad=True)
        optimizer = optim.SGD([w], lr=0.05)
        scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
        if not compiles:
            expected = [scheduled(x).item() for _ in range(5)]
            continue
        compiled, plain = compile(scheduled), compile(step)
        assert compiled(x).item() == expected[0]
        with pytest.raises(RecordingError, match=r"step\(\) is in Python.* set lr"):
            compiled.save(tmp_path / "program.mgp", x)
        assert plain(x).item() == expected[1]
        saved(plain, tmp_path, x)
        stored = programs.load(tmp_path / "program.mgp")
        for loss in expected[2:]:
            scheduler.step()
            stored.optimizers[0].lr = optimizer.param_groups[0]["lr"]
            assert stored(x)[0].item() == loss


def test_damaged_files_of_tensors(tmp_path: Path) -> None:
    model, step, batch = training("norm", "AdamW")
    compiled = compile(step)
    compiled(*batch)
    content, rng, path = saved(compiled, tmp_path, names=model), random.Random(5), tmp_path / "w"
    gc.collect()
    before, refused = pymicrograd.memory_usage()["nodes"], 0
    for _ in range(150):
        changed = bytearray(content)
        at = rng.choice((rng.randrange(24, 64), rng.randrange(64, len(content)))) // 4 * 4
        changed[at : at + 4] = struct.pack("<I", rng.choice((0, 1, 7, 2**31, 2**32 - 1)))
        path.write_bytes(sealed(bytes(changed)))
        try:
            stored = programs.load(path)
            stored.run(1)
        except (ValueError, RuntimeError, ArithmeticError, OutOfMemoryError):
            refused += 1
        stored = None
    gc.collect()
    assert pymicrograd.memory_usage()["nodes"] == before
    assert 20 < refused < 150
