"""DataLoader, data sets, samplers: the same batches for any number of workers, and PyTorch's."""

from __future__ import annotations

import collections
import gc
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pymicrograd as mg
from pymicrograd import data
from pymicrograd.errors import ShapeError

N = 23


class Noisy(data.Dataset[Any]):
    """Examples that draw from the default generator, as augmentations do."""

    def __getitem__(self, index: int) -> Any:
        return index, mg.rand(2)

    def __len__(self) -> int:
        return N


class Counting(data.IterableDataset[int]):
    """0, 1, 2 ..., of which each worker gives its share."""

    def __iter__(self) -> Iterator[int]:
        info = data.get_worker_info()
        return iter(range(N)) if info is None else iter(range(info.id, N, info.num_workers))

    def __len__(self) -> int:
        return N


class Failing(data.Dataset[int]):
    """Example 5 cannot be read."""

    def __init__(self, error: Any) -> None:
        self.error = error

    def __getitem__(self, index: int) -> int:
        if index == 5:
            raise self.error
        return index

    def __len__(self) -> int:
        return 10


class TwoArguments(Exception):
    """An error that is not made of one text."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)


class Ending(Failing):
    """Example 5 ends the process that reads it."""

    def __getitem__(self, index: int) -> int:
        if index == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return index


class Unsent(data.Dataset[Any]):
    """What it gives cannot be sent to another process."""

    def __getitem__(self, index: int) -> Any:
        return lambda: index

    def __len__(self) -> int:
        return 3


class Described(data.Dataset[Any]):
    """Examples that say which worker read them."""

    def __getitem__(self, index: int) -> Any:
        info = data.get_worker_info()
        return (index, None) if info is None else (info.id, info.num_workers, SEEN[:])

    def __len__(self) -> int:
        return 8


SEEN: list[int] = []


def plain(x: Any) -> Any:
    """Return a batch as plain data."""
    if isinstance(x, mg.Tensor):
        return x.tolist()
    if isinstance(x, dict):
        return {key: plain(part) for key, part in x.items()}
    return [plain(part) for part in x] if isinstance(x, (list, tuple)) else x


def epochs(count: int, *args: Any, **options: Any) -> list[Any]:
    """Return the batches of a few epochs of a loader, as plain data, from seed 5 on."""
    mg.manual_seed(5)
    loader = data.DataLoader(*args, **options)
    found = [plain(list(loader)) for _ in range(count)]
    return [*found, mg.rand(1).item()]


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """See that every worker has ended."""
    yield
    gc.collect()  # an error that a test has caught holds what raised it
    deadline = time.monotonic() + 20
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert multiprocessing.active_children() == []


# ---- batches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 4, "shuffle": True},
        {"batch_size": 5, "drop_last": True},
        {"batch_size": None},
        {"batch_sampler": [[1, 2], [3], [0, 5, 6]]},
        {"sampler": data.WeightedRandomSampler(range(N), 9), "batch_size": 2},
    ],
    ids=lambda options: ",".join(options),
)
def test_any_number_of_workers_gives_the_same_batches(options: Any) -> None:
    here = epochs(2, Noisy(), **options)
    assert here == epochs(2, Noisy(), num_workers=2, **options)
    options = {**options, "prefetch_factor": 1, "persistent_workers": True}
    assert here == epochs(2, Noisy(), num_workers=3, **options)
    assert here[0] != here[1]


def test_workers_that_are_spawned_give_the_same_batches() -> None:
    here = epochs(1, Noisy(), 8, shuffle=True)
    assert here == epochs(1, Noisy(), 8, shuffle=True, num_workers=1,
                          multiprocessing_context="spawn")  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.integers(1, 9), st.booleans(), st.booleans())
def test_an_epoch_has_every_example_once(n: int, size: int, shuffle: bool, drop: bool) -> None:
    loader = data.DataLoader(range(n), size, shuffle=shuffle, drop_last=drop)
    batches = [batch.tolist() for batch in loader]
    assert len(batches) == len(loader) == (n // size if drop else -(-n // size))
    found = [i for batch in batches for i in batch]
    assert len(set(found)) == len(found) == (n - n % size if drop else n)
    assert all(len(batch) == size for batch in batches[: n // size])
    assert shuffle or found == sorted(found)


def test_the_order_comes_from_the_generator_given() -> None:
    def order(seed: int) -> list[int]:
        generator = mg.Generator().manual_seed(seed)
        return plain(list(data.DataLoader(range(50), 50, shuffle=True, generator=generator)))[0]

    state = mg.get_rng_state().tolist()
    assert order(1) == order(1) != order(2)
    assert mg.get_rng_state().tolist() == state


def test_a_tensor_dataset_gives_what_its_examples_make() -> None:
    x, y = mg.randn(N, 2, 3), mg.arange(N)
    tensors = data.TensorDataset(x, y)
    part = data.Subset(tensors, [4, 2, 7, 7, -1])
    for dataset in (tensors, part, data.Subset(part, [1, 3, 0])):
        (got,) = data.DataLoader(dataset, len(dataset))
        examples = [dataset[i] for i in range(len(dataset))]
        expected = data.default_collate(examples)
        assert plain(got) == plain(expected) and type(got) is list
        assert [t.dtype for t in got] == [mg.float32, mg.int64]
    assert len(tensors) == N and plain(tensors[3]) == plain((x[3], y[3]))
    with pytest.raises(ShapeError, match=r"of one length, not \[\(2,\), \(3,\)\]"):
        data.TensorDataset(mg.ones(2), mg.ones(3))
    with pytest.raises(TypeError, match="at least one tensor"):
        data.TensorDataset()


def test_iterable_data_sets() -> None:
    assert plain(list(data.DataLoader(Counting(), 5))) == [
        [0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14], [15, 16, 17, 18, 19], [20, 21, 22]
    ]  # fmt: skip
    assert len(data.DataLoader(Counting(), 5)) == 5
    assert len(data.DataLoader(Counting(), 5, drop_last=True)) == 4
    assert plain(list(data.DataLoader(Counting(), None))) == list(range(N))
    for workers in (1, 3):
        loader = data.DataLoader(Counting(), 4, num_workers=workers)
        found = [batch.tolist() for batch in loader]
        assert sorted(i for batch in found for i in batch) == list(range(N))
        assert found[0] == list(range(0, 4 * workers, workers))
    assert len(list(data.DataLoader(Counting(), 4, num_workers=3, drop_last=True))) == 5
    chained = Counting() + Counting()
    assert len(chained) == 2 * N and len(list(chained)) == 2 * N


# ---- collating ---------------------------------------------------------------------------------

Pair = collections.namedtuple("Pair", "a b")
BATCHES = [
    [1, 2, 3],
    [1.5, 2.5],
    [True, False],
    ["a", "b"],
    [b"a", b"b"],
    [{"x": 1.0, "y": [1, 2]}, {"x": 2.0, "y": [3, 4]}],
    [(1, (2.0, "s")), (3, (4.0, "t"))],
    [[1, 2], [3, 4]],
    [Pair(1, 2.0), Pair(3, 4.0)],
    [np.float32(1.5), np.float32(2.5)],
    [np.int64(1), np.int64(2)],
    [np.array([1, 2], dtype=np.int32), np.array([3, 4], dtype=np.int32)],
    [np.float64(1.5)],
    [np.array([1, 2], dtype=np.int8), np.array([3, 4], dtype=np.int8)],
    [np.int16(1), np.int16(2)],
]


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_collating_is_pytorchs(batch: Any) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.data import default_collate, default_convert

    def told(x: Any) -> Any:
        if isinstance(x, (mg.Tensor, torch.Tensor)):
            return str(x.dtype).split(".")[1].rstrip("_"), x.tolist()
        if isinstance(x, dict):
            return {key: told(part) for key, part in x.items()}
        if isinstance(x, (list, tuple)):
            return type(x), [told(part) for part in x]
        return x

    assert told(data.default_collate(batch)) == told(default_collate(batch))
    assert told(data.default_convert(batch)) == told(default_convert(batch))


def test_tensors_are_stacked_and_keep_their_gradient() -> None:
    x, y = mg.ones(2, requires_grad=True), mg.zeros(2)
    batch = data.default_collate([x, y])
    assert batch.tolist() == [[1, 1], [0, 0]] and batch.requires_grad


@pytest.mark.parametrize(
    ("batch", "error", "text"),
    [
        ([[1, 2], [3]], ShapeError, r"of one length, not of \[1, 2\]"),
        ([object()], TypeError, "not of builtins.object; a collate_fn"),
        ([np.array(["a"])], TypeError, "not of numpy.ndarray"),
        ([mg.ones(2), mg.ones(3)], ShapeError, "stack"),
    ],
    ids=["lengths", "object", "text array", "shapes"],
)
def test_what_makes_no_batch(batch: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        data.default_collate(batch)


def test_a_collate_fn_of_ones_own() -> None:
    loader = data.DataLoader(range(4), 2, collate_fn=tuple)
    assert list(loader) == [(0, 1), (2, 3)]
    assert list(data.DataLoader(range(2), None, collate_fn=str)) == ["0", "1"]


# ---- workers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("no five"), KeyError("five"), TwoArguments(1, 2)])
def test_errors_come_with_their_traceback_and_the_rest_can_be_read(error: Exception) -> None:
    batches = iter(data.DataLoader(Failing(error), 2, num_workers=2))
    assert [next(batches).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    kind = RuntimeError if isinstance(error, TwoArguments) else type(error)
    with pytest.raises(kind) as caught:
        next(batches)
    text = str(caught.value)
    assert text.startswith(f"Caught {type(error).__name__} in DataLoader worker process 0.\n")
    assert "Original Traceback" in text and "raise self.error" in text and "\n  File" in text
    assert next(batches).tolist() == [6, 7]


def test_a_worker_that_is_killed_is_noticed() -> None:
    with pytest.raises(RuntimeError, match=r"worker 0 \(pid \d+\) was killed by signal 9 before"):
        list(data.DataLoader(Ending(None), 3, num_workers=1))


def test_what_cannot_be_sent_is_said() -> None:
    with pytest.raises(RuntimeError, match=r"worker process 0(.|\n)*pickle"):
        list(data.DataLoader(Unsent(), None, num_workers=1))


def slow(index: int) -> int:
    time.sleep(60)
    return index


def test_a_timeout() -> None:
    loader = data.DataLoader(range(2), None, collate_fn=slow, num_workers=1, timeout=0.05)
    with pytest.raises(RuntimeError, match=r"timed out after 0\.05 seconds"):
        next(iter(loader))


def remember(number: int) -> None:
    SEEN.append(number)


def fail(number: int) -> None:
    raise ValueError(f"no worker {number}")


def test_workers_know_what_they_are() -> None:
    assert data.get_worker_info() is None
    loader = data.DataLoader(Described(), None, num_workers=2, worker_init_fn=remember)
    assert plain(list(loader)) == [[i % 2, 2, [i % 2]] for i in range(8)] and SEEN == []
    with pytest.raises(ValueError, match="no worker 0"):
        list(data.DataLoader(Described(), None, num_workers=1, worker_init_fn=fail))


def python_number(index: int) -> float:
    return random.random() + float(np.random.rand())


def test_pythons_and_numpys_generators_are_seeded() -> None:
    options: Any = {"collate_fn": python_number, "num_workers": 2}
    first, second = (epochs(2, range(6), None, **options) for _ in range(2))
    assert first == second and len({x for epoch in first[:2] for x in epoch}) == 12


def test_an_epoch_left_early_leaves_no_process() -> None:
    loader = data.DataLoader(range(1000), 10, num_workers=2, persistent_workers=True)
    for batch in loader:
        assert batch.tolist() == list(range(10))
        break
    children = {child.pid for child in multiprocessing.active_children()}
    assert len(children) == 2
    assert len(list(loader)) == 100
    assert {child.pid for child in multiprocessing.active_children()} == children
    del loader
    assert multiprocessing.active_children() == []
    next(iter(data.DataLoader(range(10), num_workers=1)))
    assert multiprocessing.active_children() == []


def test_large_tasks_and_batches_do_not_wait_for_each_other() -> None:
    indices = [list(range(200_000))] * 4
    loader = data.DataLoader(range(200_000), batch_sampler=indices, num_workers=1)
    assert [len(batch) for batch in loader] == [200_000] * 4


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_workers": -1}, "num_workers is an int of at least 0, not -1"),
        ({"timeout": -1}, "timeout"),
        ({"prefetch_factor": 2}, "need num_workers above 0"),
        ({"persistent_workers": True}, "need num_workers above 0"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor is at least 1"),
        ({"sampler": [1], "shuffle": True}, "no shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "takes the place of batch_size"),
        ({"batch_sampler": [[1]], "drop_last": True}, "takes the place of batch_size"),
        ({"batch_size": None, "drop_last": True}, "no last batch to drop"),
        ({"batch_size": 0}, "batch_size is an int above 0, not 0"),
        ({"batch_size": 2.0}, "batch_size is an int above 0, not 2.0"),
    ],
    ids=str,
)
def test_arguments_that_exclude_each_other(options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        data.DataLoader(range(4), **options)
    if set(options) & {"sampler", "batch_sampler"}:
        with pytest.raises(ValueError, match="has its own order"):
            data.DataLoader(Counting(), **options)


# ---- going on within an epoch ------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [0, 1, 3, 5, 6])
def test_an_epoch_goes_on_where_it_was_left(stop: int, workers: int) -> None:
    def loader() -> Any:
        return data.DataLoader(Noisy(), 4, shuffle=True, num_workers=workers)

    mg.manual_seed(9)
    first = loader()
    found = plain(list(first))
    batches = iter(first)
    found += [plain(next(batches)) for _ in range(stop)]
    state, rng = first.state_dict(), mg.get_rng_state()
    if stop:
        expected = plain([*batches, *first])
    else:  # nothing is under way until the first batch is asked for
        state = data.DataLoader(Noisy(), 4).state_dict()
        rng, expected = mg.get_rng_state(), plain(list(first))
    mg.manual_seed(1)
    second = loader()
    second.load_state_dict(state)
    mg.set_rng_state(rng)
    assert plain([*second, *second][: len(expected)]) == expected


def test_an_iterable_data_set_goes_on() -> None:
    loader = data.DataLoader(Counting(), 4, num_workers=2)
    batches = iter(loader)
    next(batches), next(batches), next(batches)
    state = loader.state_dict()
    expected = plain(list(batches))
    other = data.DataLoader(Counting(), 4, num_workers=2)
    other.load_state_dict(state)
    assert plain(list(other)) == expected


def test_positions_that_are_none() -> None:
    loader = data.DataLoader(range(4))
    for wrong in ({}, {"batches": 1}, {"batches": 1, "seed": 0, "sampler": {}}):
        with pytest.raises(ValueError):
            loader.load_state_dict(wrong)


# ---- samplers and parts ------------------------------------------------------------------------


def test_samplers() -> None:
    assert list(data.SequentialSampler("abc")) == [0, 1, 2]
    for options, count in (({}, 5), ({"num_samples": 12}, 12), ({"num_samples": 3}, 3)):
        sampler = data.RandomSampler(range(5), **options)
        found = list(sampler)
        assert len(sampler) == len(found) == count
        assert max(Counter(found).values()) <= -(-count // 5)
    assert set(data.RandomSampler(range(3), True, 100)) == {0, 1, 2}
    endless = data.RandomSampler(range(3), replacement=True, num_samples=10**10)
    assert (
        len(endless) == 10**10
        and next(iter(data.DataLoader(range(3), 9, sampler=endless))).max() < 3
    )
    assert sorted(data.SubsetRandomSampler([4, 2, 9])) == [2, 4, 9]
    assert list(data.BatchSampler("abcde", 2, False)) == [["a", "b"], ["c", "d"], ["e"]]  # type: ignore[comparison-overlap]
    assert len(data.BatchSampler("abcde", 2, True)) == 2
    for make in (
        lambda: data.RandomSampler(range(5), num_samples=0),
        lambda: data.WeightedRandomSampler([1.0, -1.0], 2),
        lambda: data.WeightedRandomSampler([1.0, 0.0], 2, replacement=False),
        lambda: data.WeightedRandomSampler([0.0], 1),
        lambda: data.BatchSampler([1], 2, 1),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError):
            make()
    with pytest.raises(TypeError):
        data.RandomSampler(range(5), replacement=1)  # type: ignore[arg-type]


def test_weights_are_probabilities() -> None:
    mg.manual_seed(2)
    weights = [0.0, 1.0, 3.0, 0.0, 6.0]
    counts = Counter(data.WeightedRandomSampler(mg.tensor(weights), 10_000))
    for i, weight in enumerate(weights):  # five standard deviations; the seed is fixed
        expected = 1000 * weight
        assert abs(counts[i] - expected) <= 5 * (expected * (1 - weight / 10)) ** 0.5
    for _ in range(20):
        drawn = list(data.WeightedRandomSampler(weights, 3, replacement=False))
        assert sorted(drawn) == [1, 2, 4]


def test_random_split() -> None:
    parts = data.random_split(range(10), [7, 3], generator=mg.RNG(4))
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(part[i] for part in parts for i in range(len(part))) == list(range(10))
    again = data.random_split(range(10), [7, 3], generator=mg.RNG(4))
    assert [part.indices for part in again] == [part.indices for part in parts]
    assert [len(part) for part in data.random_split(range(11), [0.5, 0.25, 0.25])] == [6, 3, 2]
    for lengths in ([5, 6], [1.5, -0.5], [11, -1]):
        with pytest.raises(ValueError, match=r"do not make up|a share is from"):
            data.random_split(range(10), lengths)


def test_data_sets_of_data_sets() -> None:
    both = data.TensorDataset(mg.arange(3)) + data.TensorDataset(mg.arange(3, 5))
    assert [both[i][0].item() for i in range(-5, 5)] == [0, 1, 2, 3, 4] * 2 and len(both) == 5
    for i in (5, -6):
        with pytest.raises(IndexError, match=f"no example {i} among 5"):
            both[i]
    with pytest.raises(TypeError, match="ChainDataset does"):
        data.ConcatDataset([Counting()])
    with pytest.raises(ValueError, match="at least one"):
        data.ConcatDataset([])
    stacked = data.StackDataset(x=range(3), y="abc")
    assert stacked[1] == {"x": 1, "y": "b"} and data.StackDataset(range(3), "abc")[2] == (2, "c")
    with pytest.raises(ValueError, match="do not stack"):
        data.StackDataset(range(3), "ab")
    for kind, call in ((data.Dataset, lambda d: d[0]), (data.IterableDataset, iter)):
        with pytest.raises(NotImplementedError, match="does not define"):
            call(kind())


def test_pytorchs_path() -> None:
    from pymicrograd.utils.data import DataLoader, TensorDataset

    assert DataLoader is data.DataLoader and mg.utils.data.TensorDataset is TensorDataset
