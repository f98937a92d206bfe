"""Batches in shards: the order of additions, for any ranks; what ranks are told; mpiexec.

Most ranks here are threads or take turns, and move bytes as MPI does. Where mpiexec and mpi4py are
installed, ranks are processes, too.
"""

from __future__ import annotations

import copy
import io
import itertools
import re
from pathlib import Path
from typing import Any

import distributed_programs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isolated import run_python
from ranks import Simulated, needs_mpi, on_ranks, run_ranks, version
from test_cli import run

import pymicrograd as mg
from pymicrograd import nn, optim
from pymicrograd.data import DataLoader
from pymicrograd.data.reading import seed_of_batch
from pymicrograd.distributed import DataParallel, DistributedSampler, shards
from pymicrograd.distributed.exchange import Scratch, array_of, summed
from pymicrograd.distributed.group import AGREE, END, STEP, Group
from pymicrograd.distributed.step import Step
from pymicrograd.errors import ArgumentError, DistributedError, MicrogradError
from pymicrograd.nn import functional as F

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = str(Path(__file__).with_name("distributed_programs.py"))
KINDS = ("float32", "float64", "float16", "bfloat16")


def lanes(contributions: list[Any]) -> Any:
    """Join shards as csrc/SPEC.md says."""
    found = list(contributions)
    stride = 1
    while 2 * stride < len(found):
        stride *= 2
    while stride:
        for lane in range(stride):
            if lane + stride < len(found):
                found[lane] = found[lane] + found[lane + stride]
        stride //= 2
    return found[0]


class Term(str):
    """A sum that shows its order."""

    def __add__(self, other: str) -> Term:
        return Term(f"({self!s} {other!s})")


# ---- order -------------------------------------------------------------------------------------


def test_the_tree_is_what_lanes_give() -> None:
    for count in range(1, 40):
        terms = [Term(i) for i in range(count)]
        found = shards.joined(count, (0, 1), terms.__getitem__, Term.__add__)
        assert found == lanes(terms)
    assert lanes([Term(i) for i in range(6)]) == "(((0 4) 2) ((1 5) 3))"


def test_ranks_share_all_shards_evenly_in_whole_subtrees() -> None:
    for count in range(1, 20):
        for ranks in range(1, count + 1):
            owned = shards.owners(count, ranks)
            assert sorted(shard for own in owned for shard in own) == list(range(count))
            lengths = {len(own) for own in owned}
            assert max(lengths) - min(lengths) <= 1 and owned[0][0] == 0
            for own in owned:
                nodes = shards.pieces(count, own)
                assert sorted(s for node in nodes for s in shards.leaves(count, node)) == own
            if count % ranks == 0 and ranks & (ranks - 1) == 0:
                assert owned == [list(range(rank, count, ranks)) for rank in range(ranks)]
                assert [shards.pieces(count, own) for own in owned] == [
                    [(rank, ranks)] for rank in range(ranks)
                ]


@settings(max_examples=30)
@given(st.integers(1, 300), st.integers(1, 20), st.integers(1, 8))
def test_examples_have_one_shard_each(count: int, cut: int, ranks: int) -> None:
    ranks = min(ranks, cut)
    sizes = shards.sizes(count, cut)
    assert sum(sizes) == count and len(sizes) == min(count, cut) and max(sizes) - min(sizes) <= 1
    batch = np.arange(count)
    for own in shards.owners(cut, ranks):
        part = batch[np.isin(batch % cut, own)]
        for shard in own[: len(sizes)]:
            if shard < len(sizes):
                rows = shards.rows_of(batch, shard, own, cut, False)
                assert rows.tolist() == [i for i in range(count) if i % cut == shard]
                assert len(rows) == sizes[shard]
                assert shards.rows_of(part, shard, own, cut, True).tolist() == rows.tolist()


def hostile(seed: int, rows: int, length: int, kind: str) -> Any:
    """Return numbers of all sizes, some of them -0 or infinite, as a Tensor."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, length)) * 10.0 ** rng.integers(-4, 5, (rows, length))
    x[rng.random((rows, length)) < 0.2] = -0.0
    x[rng.random((rows, length)) < 0.02] = np.inf
    return mg.tensor(x).to(kind)


def bits(x: Any) -> bytes:
    """Return the bits of a Tensor."""
    return bytes(array_of(x.detach().contiguous()).tobytes())


@given(st.integers(1, 8), st.integers(0, 12), st.integers(1, 20), st.integers(0, 40), st.data())
def test_any_ranks_give_the_bits_of_the_written_tree(
    ranks: int, more: int, present: int, length: int, data: Any
) -> None:
    cut = ranks + more
    present = min(present, cut)
    kind = data.draw(st.sampled_from(KINDS))
    numbers = hostile(data.draw(st.integers(0, 99)), present, length, kind)
    expected = bits(lanes(list(numbers)))
    owned = shards.owners(cut, ranks)

    def rank(comm: Simulated) -> bytes:
        nodes = [n for n in shards.pieces(cut, owned[comm.rank]) if n[0] < present]
        rows = [
            shards.joined(present, n, lambda i: numbers[i].clone(), lambda a, b: a + b)
            for n in nodes
        ]
        filler = mg.full((length,), 9.0, dtype=kind)
        return bits(summed(comm, present, owned, rows or [filler], Scratch()))

    assert set(on_ranks(ranks, rank)) == {expected}


# ---- a step ------------------------------------------------------------------------------------


def network(*more: Any, seed: int = 1) -> Any:
    """Return a small network, the same one every time."""
    mg.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 7), *more, nn.Tanh(), nn.Linear(7, 3))


def batch(count: int, seed: int = 2) -> tuple[Any, Any]:
    """Return inputs and classes."""
    rng = mg.RNG(seed)
    return mg.randn(count, 5, generator=rng), mg.randint(3, (count,), generator=rng)


def loss_on(model: Any, reduction: str = "mean") -> Any:
    """Return what computes the loss of a shard."""
    return lambda x, y: F.cross_entropy(model(x), y, reduction=reduction)


def by_hand(model: Any, x: Any, y: Any, cut: int, reduction: str = "mean") -> list[Any]:
    """Return loss and gradients as csrc/SPEC.md says; the default generator goes on."""
    generator = mg.random.default_generator()
    seed = generator.random_u32() << 32 | generator.random_u32() or 1
    found = []
    for shard in range(min(cut, len(x))):
        rows = x[shard::cut], y[shard::cut]
        share = len(rows[0]) / len(x) if reduction == "mean" else 1.0
        with mg.random.drawing_from(mg.RNG(seed_of_batch(seed, shard))):
            loss = loss_on(model, reduction)(*rows)
        parameters = model.parameters()
        found.append([loss.detach() * share, *mg.grad(loss, parameters, mg.tensor(share))])
    return [lanes(list(parts)) for parts in zip(*found, strict=True)]


@given(st.integers(1, 40), st.integers(1, 12), st.booleans(), st.sampled_from(["mean", "sum"]))
def test_a_step_is_what_is_written(count: int, cut: int, drops: bool, reduction: str) -> None:
    model = network(*[nn.Dropout(0.4)] * drops)
    x, y = batch(count)
    state = mg.get_rng_state()
    expected = by_hand(model, x, y, cut, reduction)
    after = mg.get_rng_state()
    mg.set_rng_state(state)
    parallel = DataParallel(model, cut)
    loss = parallel.backward(loss_on(model, reduction), x, y, reduction=reduction)
    found = [loss, *(p.grad for p in model.parameters())]
    assert [bits(a) for a in found] == [bits(b) for b in expected]
    assert mg.equal(mg.get_rng_state(), after)
    if not drops:
        whole = loss_on(model, reduction)(x, y)
        assert float(loss) == pytest.approx(float(whole), rel=1e-5)
        for p, g in zip(model.parameters(), mg.grad(whole, model.parameters()), strict=True):
            assert mg.allclose(p.grad, g, rtol=1e-4, atol=1e-6)


def test_splitmix_is_what_spec_says() -> None:
    mask = 2**64 - 1
    z = (7 + (3 + 2) * 0x9E3779B97F4A7C15) & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    assert seed_of_batch(7, 3) == z ^ z >> 31


class Taken(Group):
    """A rank of several that takes its turn in one process: others say what it says."""

    def __init__(self, rank: int, size: int, counts: Any = ()) -> None:
        super().__init__()
        self.rank, self.size, self.counts = rank, size, counts

    def meet(self, what: int, *facts: int) -> list[list[int]]:
        return [[0, n] for n in self.counts] or [list(facts)] * self.size

    def agree(self, facts: Any) -> None:
        pass

    def broadcast(self, array: Any, root: int = 0) -> None:
        pass


def step_of(
    model: Any, ranks: int, cut: int, parts: Any, loss_of: Any = loss_on
) -> list[list[bytes]]:
    """Make a step on ranks that compute one after the other; return what each gets, as bits."""
    counts = [len(part[0]) for part in parts]
    made = []
    for rank in range(ranks):
        own = copy.deepcopy(model)
        is_part = len(parts) > 1
        parallel = DataParallel(own, cut, group=Taken(rank, ranks, counts if is_part else ()))
        mg.manual_seed(4)
        step = Step(parallel, loss_of(own), parts[rank if is_part else 0], True, is_part)
        step.compute()
        made.append((own, step))

    def rank_of(comm: Simulated) -> list[bytes]:
        own, step = made[comm.rank]
        step.parallel.group.comm = comm
        loss = step.finish(made[0][1].kind)
        found = [p.grad for p in own.parameters()]
        return [b"" if x is None else bits(x) for x in (loss, *found, *own.buffers())]

    return list(on_ranks(ranks, rank_of))


@pytest.mark.parametrize("count", [5, 45])
def test_one_to_eight_ranks_make_the_same_step(count: int) -> None:
    model = network(nn.Dropout(0.2))
    x, y = batch(count)
    (alone,) = step_of(model, 1, 8, [(x, y)])
    for ranks in range(2, 9):
        owned = shards.owners(8, ranks)
        places = [[i for i in range(count) if i % 8 in own] for own in owned]
        parts = [(x[rows], y[rows]) for rows in places]
        assert all(found == alone for found in step_of(model, ranks, 8, [(x, y)]))
        assert all(found == alone for found in step_of(model, ranks, 8, parts))


def test_running_statistics_are_means_over_shards_of_any_ranks() -> None:
    model = network(nn.BatchNorm1d(7), nn.BatchNorm1d(7, momentum=None))
    x, y = batch(22)
    (alone,) = step_of(model, 1, 8, [(x, y)])
    for ranks in (2, 3, 8):
        assert all(found == alone for found in step_of(model, ranks, 8, [(x, y)]))
    expected = []
    for shard in range(8):
        own = copy.deepcopy(model)
        own(x[shard::8])
        expected.append(
            [b * (len(x[shard::8]) / 22) for b in (own[1].running_mean, own[2].running_var)]
        )
    DataParallel(model, 8).backward(loss_on(model), x, y)
    found = [model[1].running_mean, model[2].running_var]
    assert [bits(a) for a in found] == [bits(lanes(list(b))) for b in zip(*expected, strict=True)]
    assert [int(layer.num_batches_tracked) for layer in model[1:3]] == [1, 1]


def test_layers_in_evaluation_keep_their_statistics() -> None:
    model = network(nn.BatchNorm1d(7))
    with mg.no_grad():
        model[1].running_mean.fill_(0.1)
    model.eval()
    before = [bits(b) for b in model.buffers()]
    DataParallel(model, 3).backward(loss_on(model), *batch(7))
    assert [bits(b) for b in model.buffers()] == before


class Sometimes(nn.Module):
    """A model with a parameter that only some examples reach, and one that none does."""

    def __init__(self) -> None:
        self.a, self.b, self.c = (nn.Parameter(mg.tensor([-1.0])) for _ in range(3))

    def forward(self, x: Any) -> Any:
        return (self.a * x).sum() if float(x[0]) > 0.0 else (self.a * x + self.b).sum()


def test_parameters_that_no_shard_depends_on_have_no_gradient() -> None:
    model = Sometimes()
    x = mg.tensor([1.0, -2.0, 3.0, 4.0])
    DataParallel(model, 4).backward(model, x, reduction="sum")
    grads = [p.grad for p in model.parameters()]
    assert grads[0].tolist() == [6.0] and grads[1].tolist() == [1.0] and grads[2] is None


def test_gradients_are_added_to_those_that_there_are() -> None:
    model = network()
    parallel = DataParallel(model, 4)
    x, y = batch(8)
    parallel.backward(loss_on(model), x, y)
    first = [p.grad for p in model.parameters()]
    kept = [g.clone() for g in first]
    parallel.backward(loss_on(model), x, y)
    for p, g, before in zip(model.parameters(), first, kept, strict=True):
        assert bits(p.grad) == bits(before + before) and bits(g) == bits(before)


def test_frozen_parameters_and_other_types_take_part() -> None:
    model = network().to("bfloat16")
    model[0].weight.requires_grad_(False)
    parallel = DataParallel(model, 4)
    x, y = batch(9)
    parallel.backward(loss_on(model), x.to("bfloat16"), y)
    assert model[0].weight.grad is None and model[0].bias.grad.dtype is mg.bfloat16
    (alone,) = step_of(model, 1, 4, [(x.to("bfloat16"), y)])
    assert all(found == alone for found in step_of(model, 3, 4, [(x.to("bfloat16"), y)]))


class Shares(nn.Module):
    """A model whose parameters get one gradient in common, and an element more than once."""

    def __init__(self) -> None:
        self.a, self.b = (nn.Parameter(mg.tensor([1.0, 2.0])) for _ in range(2))
        self.c = nn.Parameter(mg.ones(3))

    def forward(self, x: Any) -> Any:
        return ((self.a + self.b) * x[0]).sum() + (self.c.expand(2, 3)).sum() * x[0]


def test_gradients_that_share_memory_are_added_apart() -> None:
    model = Shares()
    DataParallel(model, 3).backward(model, mg.tensor([1.0, 2.0, 4.0]), reduction="sum")
    assert [p.grad.tolist() for p in model.parameters()] == [[7.0] * 2, [7.0] * 2, [14.0] * 3]
    (alone,) = step_of(model, 1, 3, [(mg.tensor([1.0, 2.0, 4.0]),)], lambda m: m)
    assert set(map(tuple, step_of(model, 2, 3, [(mg.tensor([1.0, 2.0, 4.0]),)], lambda m: m))) == {
        tuple(alone)
    }


# ---- buffers -----------------------------------------------------------------------------------


def addresses(tensors: Any) -> list[tuple[int, int]]:
    """Return begin and end of the memory of Tensors."""
    return [(x.data_ptr(), x.data_ptr() + 4 * x.numel()) for x in tensors]


def are_one_buffer(tensors: Any) -> bool:
    """Tell whether Tensors lie one behind the other."""
    spans = addresses(tensors)
    return all(end == begin for (_, end), (begin, _) in itertools.pairwise(spans))


def test_parameters_and_gradients_lie_in_one_buffer_and_all_goes_on() -> None:
    model = network()
    parameters = model.parameters()
    optimizer = optim.AdamW(parameters, lr=0.1)
    weight = model[0].weight
    loss_on(model)(*batch(4)).backward()
    optimizer.step()
    before = copy.deepcopy(model.state_dict())
    parallel = DataParallel(model)
    assert model[0].weight is weight and weight.is_leaf and weight.requires_grad
    assert weight.grad is not None
    assert all(map(lambda p, q: p is q, parameters, model.parameters()))
    assert {n: bits(x) for n, x in model.state_dict().items()} == {
        n: bits(x) for n, x in before.items()
    }
    optimizer.zero_grad()
    parallel.backward(loss_on(model), *batch(32))
    assert are_one_buffer(parameters) and are_one_buffer(p.grad for p in parameters)
    optimizer.step()
    assert are_one_buffer(parameters)
    assert not mg.equal(weight, before["0.weight"])
    parallel.load_state_dict({f"module.{name}": x for name, x in before.items()})
    assert mg.equal(weight, before["0.weight"]) and are_one_buffer(parameters)
    twin = copy.deepcopy(parallel)
    twin.module[0].bias.data.fill_(3.0)
    assert mg.equal(model[0].bias, before["0.bias"])
    file = io.BytesIO()
    mg.save(model.state_dict(), file)
    assert len(file.getvalue()) < 4000


def test_a_compiled_model_is_trained_in_shards() -> None:
    expected = by_hand(network(), *batch(16), 4)
    model = network()
    loss = mg.compile(loss_on(model))
    parallel = DataParallel(model, 4)
    for _ in range(2):
        model.zero_grad()
        mg.manual_seed(1)
        parallel.backward(loss, *batch(16))
    assert [bits(p.grad) for p in model.parameters()] == [bits(g) for g in expected[1:]]


# ---- refusals ----------------------------------------------------------------------------------


class Outside:
    """A communicator that this process is no rank of, which mpi4py has as false."""

    def __bool__(self) -> bool:
        return False

    def Get_rank(self) -> int:
        raise RuntimeError("MPI_ERR_COMM: invalid communicator")


def test_a_communicator_of_others_is_not_taken_for_all_ranks() -> None:
    with pytest.raises(RuntimeError, match="invalid communicator"):
        DataParallel(network(), group=Outside())


class Counts(nn.Module):
    """A model that counts its calls in a buffer."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(mg.ones(1))
        self.calls = nn.Buffer(mg.zeros(1))

    def forward(self, x: Any) -> Any:
        self.calls.add_(1.0)
        return (self.weight * x).sum()


def refusals() -> list[tuple[type[Exception], str, Any]]:
    """Return what cannot work."""
    model = network()
    backward = DataParallel(model, 4).backward
    loss, (x, y) = loss_on(model), batch(8)
    shared = nn.Linear(2, 2)
    shared.bias = nn.Parameter(shared.weight.detach()[0])
    counts = Counts()
    return [
        (ArgumentError, "shards is an int above 0, not 0", lambda: DataParallel(model, 0)),
        (TypeError, "for a Module, not list", lambda: DataParallel([model])),  # type: ignore[arg-type]
        (TypeError, "is a Value", lambda: DataParallel(nn.MLP(2, [3, 1]))),
        (ArgumentError, "has no shape yet", lambda: DataParallel(nn.LazyLinear(3))),
        (ArgumentError, "views of the same memory", lambda: DataParallel(shared)),
        (ArgumentError, "9 ranks for 8 shards", lambda: DataParallel(model, 8, Taken(0, 9))),
        (ArgumentError, "'mean' or 'sum', not 'no'", lambda: backward(loss, x, y, reduction="no")),
        (ArgumentError, r"inputs and targets, not \[8, 7\]", lambda: backward(loss, x, y[:7])),
        (ArgumentError, "one example at least", lambda: backward(loss, x[:0], y[:0])),
        (TypeError, "Tensors, arrays or lists, not float", lambda: backward(loss, 1.0)),
        (TypeError, "a loss is a Tensor, not float", lambda: backward(lambda x: 1.0, x)),
        (RuntimeError, r"one element, not shape \(2, 3\)", lambda: backward(model, x)),
        (ArgumentError, "do not divide", lambda: DataParallel(model, 5).local_size(8)),
        (ArgumentError, "buffer 'calls'", lambda: DataParallel(counts).backward(counts, x)),
    ]


@pytest.mark.parametrize("number", range(14))
def test_refusals_say_what_is_wrong(number: int) -> None:
    kind, text, call = refusals()[number]
    with pytest.raises(kind, match=text):
        call()


def test_a_failed_step_changes_nothing() -> None:
    model = network(nn.BatchNorm1d(7))
    parallel = DataParallel(model, 4)
    x, y = batch(9)
    parallel.backward(loss_on(model), x, y)
    before = [bits(b) for b in (*model.buffers(), *(p.grad for p in model.parameters()))]
    with pytest.raises(MicrogradError, match="more than 1 value per channel"):
        parallel.backward(loss_on(model), x[:6], y[:6])
    assert [bits(b) for b in (*model.buffers(), *(p.grad for p in model.parameters()))] == before


def test_a_part_has_the_examples_of_its_shards() -> None:
    model = network()
    x, y = batch(9)
    parallel = DataParallel(model, 4, Taken(1, 2, [5, 4]))
    step = Step(parallel, loss_on(model), (x[:5], y[:5]), True, True)
    with pytest.raises(ArgumentError, match=r"5 examples are not those of shards \[1, 3\], which"):
        step.compute()


def group_of(comm: Simulated) -> Group:
    """Return a group of simulated ranks."""
    made = Group()
    made.rank, made.size, made.comm = comm.Get_rank(), comm.Get_size(), comm
    return made


def refused(ranks: int, do: Any) -> set[str]:
    """Return what ranks say, each of which has to be refused."""

    def run(comm: Simulated) -> str:
        with pytest.raises(DistributedError) as error:
            do(group_of(comm))
        return str(error.value)

    return set(on_ranks(ranks, run))


def test_ranks_that_differ_are_refused_on_every_rank() -> None:
    def differ(group: Group) -> None:
        group.agree(
            {"the shape": "2", "the model": "A()\n  B()" if group.rank < 2 else "A()\n  C()"}
        )

    assert refused(3, differ) == {"the ranks differ in the model: rank 2 has C(), rank 0 has B()"}
    assert refused(3, lambda g: g.meet(STEP if g.rank else AGREE)) == {
        "rank 1 makes a step, while rank 0 compares what is trained: all ranks have to do the same"
    }
    on_ranks(3, lambda comm: group_of(comm).agree({"all": "equal"}))
    assert on_ranks(2, lambda comm: group_of(comm).meet(STEP, 2**64 - 1, comm.rank))[0] == [
        [2**64 - 1, 0], [2**64 - 1, 1],
    ]  # fmt: skip


def test_a_rank_that_has_ended_is_missed_by_the_others() -> None:
    def run(comm: Simulated) -> str:
        group = group_of(comm)
        if group.rank == 1:
            group.end()
            return "ended"
        with pytest.raises(DistributedError, match="rank 1 has ended its program, while rank 0"):
            group.meet(STEP)
        with pytest.raises(DistributedError, match="have parted"):
            group.meet(STEP)
        group.end()
        return "refused"

    assert on_ranks(3, run) == ["refused", "ended", "refused"]
    on_ranks(2, lambda comm: group_of(comm).end())
    assert END == 0  # as words are that nobody has filled


def test_one_process_needs_no_mpi4py_and_several_are_told_what_to_install() -> None:
    program = """
import os, sys
from pymicrograd import nn, ones, distributed as d
model = nn.Linear(2, 1)
d.DataParallel(model).backward(lambda x: model(x).sum(), ones(3, 2))
assert (d.get_rank(), d.get_world_size()) == (0, 1) and d.barrier() is None
assert not any(name.startswith("mpi4py") for name in sys.modules)
os.environ["PMI_RANK"], sys.modules["mpi4py"] = "0", None
sys.modules[d.world.__module__].group = None
try:
    d.get_rank()
except ImportError as error:
    print(error)
"""
    said = run_python(program)
    assert said.startswith("several ranks need mpi4py and an MPI: pip install 'pymicrograd[mpi]'")


# ---- DistributedSampler ------------------------------------------------------------------------


@pytest.mark.all  # for torch's import
@pytest.mark.parametrize("drop_last", [False, True])
def test_samplers_take_what_pytorchs_take(drop_last: bool) -> None:
    torch = pytest.importorskip("torch.utils.data")
    for count in (1, 2, 7, 8, 30):
        for ranks in (1, 2, 3, 4):
            for rank in range(ranks):
                options = {"shuffle": False, "drop_last": drop_last}
                ours = DistributedSampler(range(count), ranks, rank, **options)
                theirs = torch.DistributedSampler(range(count), ranks, rank, **options)
                if drop_last and count < ranks:
                    assert list(ours) == []  # of which PyTorch makes an error
                    continue
                assert list(ours) == list(theirs) and len(ours) == len(theirs)
                assert ours.total_size == theirs.total_size


@settings(max_examples=30)
@given(st.integers(1, 70), st.integers(1, 8), st.integers(1, 12), st.booleans())
def test_samplers_of_any_ranks_make_the_same_batches(
    count: int, ranks: int, cut: int, drops: bool
) -> None:
    ranks, data = min(ranks, cut), range(count)
    options: dict[str, Any] = {"seed": 3, "drop_last": drops, "shards": cut}
    (whole,) = (list(DistributedSampler(data, 1, 0, **options)),)
    assert len(whole) % cut == 0 and set(whole) <= set(data)
    assert set(whole) == set(data) or drops
    for rank, own in enumerate(shards.owners(cut, ranks)):
        part = DistributedSampler(data, ranks, rank, **options)
        assert list(part) == [x for i, x in enumerate(whole) if i % cut in own]
        assert len(part) == len(list(part))


def test_epochs_of_samplers_follow_from_seed_and_number() -> None:
    sampler = DistributedSampler(range(20), 2, 0)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first != list(DistributedSampler(range(20), 2, 0, seed=9))
    loader = DataLoader(mg.arange(20), 3, sampler=sampler)
    rest = iter(loader)
    next(rest)
    other = DistributedSampler(range(20), 2, 0)
    resumed = DataLoader(mg.arange(20), 3, sampler=other)
    resumed.load_state_dict(loader.state_dict())
    assert [x.tolist() for x in resumed] == [x.tolist() for x in rest]
    with pytest.raises(ArgumentError, match="rank is from 0 to 1, with num_replicas=2, not 2"):
        DistributedSampler(range(20), 2, 2)


def test_a_rank_that_mpiexec_gave_is_named_when_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mg.distributed.samplers, "get_rank", lambda: 5)
    with pytest.raises(ArgumentError, match="rank is from 0 to 1, with num_replicas=2, not 5"):
        DistributedSampler(range(20), 2)


# ---- pymicrograd train -------------------------------------------------------------------------

FAST = ("train", "--points", "60", "--layers", "6", "--dropout", "0.2", "--batch", "10")


def lines(text: str) -> list[str]:
    """Return what a training prints but for its time and its files."""
    return [x for x in text.splitlines() if not x.startswith(("time: ", "checkpoint: "))]


def test_train_cuts_batches_into_shards() -> None:
    status, plain, _ = run(*FAST, "--epochs", "2")
    assert status == 0
    status, found, err = run(*FAST, "--epochs", "2", "--shards", "4")
    assert (status, err) == (0, "") and found[0] == plain[0]
    assert lines("\n".join(found)) != lines("\n".join(plain))


# ---- docs/scaling.md ---------------------------------------------------------------------------


def test_tables_of_the_page_follow_from_its_measurements() -> None:
    program = """
from bench import scaling
text = scaling.PAGE.read_text(encoding="utf-8")
assert scaling.written(text, scaling.read(text)) == text, "python -m bench.scaling --again --write"
"""
    run_python(program, PYTHONPATH=str(ROOT))


@needs_mpi
@pytest.mark.all
def test_the_program_of_the_page_prints_the_same_on_three_ranks(tmp_path: Path) -> None:
    page = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    ((code, text),) = re.findall(r"^```python\n(.*?)^```\n+^```text\n(.*?)^```", page, re.M | re.S)
    (tmp_path / "program.py").write_text(code)
    done = run_ranks(3, str(tmp_path / "program.py"))
    assert (done.returncode, done.stdout) == (0, text), done.stderr


# ---- processes ---------------------------------------------------------------------------------


@needs_mpi
def test_two_ranks_have_the_bits_of_one_process() -> None:
    alone = [distributed_programs.steps(), distributed_programs.steps(True)]
    assert alone[0] == alone[1]  # whole batches, and batches of parts
    done = run_ranks(2, PROGRAMS, "bits")
    assert (done.returncode, done.stdout.split()) == (0, alone), done.stderr


@needs_mpi
@pytest.mark.all
@pytest.mark.parametrize("ranks", [1, 3, 4, 5, 8])
def test_any_ranks_have_the_bits_of_one_process(ranks: int) -> None:
    alone = [distributed_programs.steps(), distributed_programs.steps(True)]
    done = run_ranks(ranks, PROGRAMS, "bits")
    assert (done.returncode, done.stdout.split()) == (0, alone), done.stderr


@needs_mpi
@pytest.mark.all
def test_weights_are_those_of_rank_0() -> None:
    done = run_ranks(3, PROGRAMS, "broadcast")
    assert (done.returncode, done.stdout.split()) == (0, ["[1.0]", "1.0"]), done.stderr


SAID = {
    "seed": "the ranks differ in the default generator, which manual_seed() sets: rank 1 has",
    "draw": "the ranks differ in the default generator, from which the step draws a seed: rank 1",
    "shape": "the ranks differ in the model: rank 1 has Linear(in_features=4, out_features=2,",
    "type": "the ranks differ in parameters and buffers: rank 1 has weight: float64 (3, 4), rank 0",
    "version": "the ranks differ in the version of pymicrograd: rank 1 has 9.9, rank 0 has",
    "shards": "the ranks differ in the number of shards: rank 1 has 4, rank 0 has 8",
    "batch": "the ranks differ in the batch, by a check sum of its first and last example: rank 1",
    "short": "the ranks differ in the number of examples in the batch: rank 1 has 9, rank 0 has 16",
    "weights": "the ranks differ in the bits of weight: rank 1 has",
    "wait": "rank 1 waits for the others, while rank 0 makes a step: all ranks",
}


@needs_mpi
@pytest.mark.all
@pytest.mark.parametrize("how", SAID)
def test_what_differs_is_an_error_on_every_rank(how: str) -> None:
    done = run_ranks(3, PROGRAMS, "odd", how)
    assert done.returncode != 0 and "is through" not in done.stdout
    # Open MPI ends all with the first, and drops what others have said meanwhile.
    assert done.stderr.count(f"DistributedError: {SAID[how]}") == 3 or (
        "Open MPI" in version() and SAID[how] in done.stderr
    ), done.stderr


@needs_mpi
@pytest.mark.all
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("exit", "rank 1 has ended its program, while rank 0 makes a step"),
        ("raise", "rank 1 of 3 has failed, by KeyError"),
        ("loss", "rank 1 of 3 has failed, by ZeroDivisionError"),
        ("kill", "9"),
    ],
)
def test_a_rank_that_dies_ends_the_others(how: str, said: str) -> None:
    done = run_ranks(3, PROGRAMS, "odd", how)
    assert done.returncode != 0 and "is through" not in done.stdout
    assert said in done.stderr + done.stdout


@needs_mpi
@pytest.mark.all
def test_train_goes_on_with_other_ranks(tmp_path: Path) -> None:
    """One checkpoint, bit for bit, whoever has written it; only rank 0 prints."""
    whole, part = tmp_path / "whole.npz", tmp_path / "part.npz"
    command = ("-m", "pymicrograd", *FAST)
    status, alone, _ = run(*FAST, "--shards", "8", "--epochs", "4", "--save", str(whole))
    assert status == 0
    done = run_ranks(4, *command, "--epochs", "4", "--save", str(part))
    assert (done.returncode, lines(done.stdout)) == (0, lines("\n".join(alone))), done.stderr
    assert part.read_bytes() == whole.read_bytes()
    done = run_ranks(2, *command, "--epochs", "2", "--save", str(part))
    assert done.returncode == 0 and part.read_bytes() != whole.read_bytes()
    done = run_ranks(3, *command, "--epochs", "4", "--resume", str(part), "--save", str(part))
    assert (done.returncode, lines(done.stdout)[1:]) == (0, lines("\n".join(alone))[3:])
    assert part.read_bytes() == whole.read_bytes()
    done = run_ranks(2, *command, "--epochs", "1", "--save", str(tmp_path / "none" / "x.npz"))
    assert done.returncode == 2 and done.stdout == ""
    run(*FAST, "--epochs", "1", "--save", str(part))
    done = run_ranks(2, *command, "--epochs", "2", "--resume", str(part))
    assert done.returncode != 0 and "a run without --shards goes on in one process" in done.stderr
