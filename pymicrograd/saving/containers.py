"""Nested containers of plain data and Tensors as text and arrays by name, and back.

The text is JSON: numbers, text, None and truths stand for themselves, a list is an array, and
objects are {"dict": [[key, value], ...]}, {"tuple": [...]} and {"tensor": name}; Counter and
OrderedDict are written as dicts are. Nothing else in it names a class. A Tensor of bfloat16, which
NumPy has not, has "dtype": "bfloat16" beside its name, and stays one among the arrays; formats
without such a type hold it as float32, where its bits are the upper half.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from ..tensors.bits import as_bits, from_bits
from ..tensors.conversion import as_tensor
from ..tensors.dtypes import bfloat16
from ..tensors.interchange import tensor
from ..tensors.ops import TensorBase

__all__ = ["flatten", "unflatten", "widened"]

FORMAT = "pymicrograd 1"
MAX_DEPTH = 100
# By the names that they have in files; the first that fits is taken.
DICTS: dict[str, type[Any]] = {"counter": Counter, "ordered": OrderedDict, "dict": dict}


def is_numpys(x: Any) -> bool:
    """Tell whether x is an array or a number of NumPy's."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, (numpy.ndarray, numpy.generic))


class Flattening:
    """What is found while a container is walked.

    Attributes:
        arrays: of Tensors, by their names.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.kept: list[Any] = []  # whose identities are nobody else's meanwhile

    def tree_of(self, x: Any, path: tuple[Any, ...]) -> Any:
        """Return x as JSON takes it."""
        if x is None or (isinstance(x, (bool, str, float, int)) and not is_numpys(x)):
            return plain(x)
        if isinstance(x, TensorBase):
            return self.tensor(x, path)
        if is_numpys(x):
            return self.tensor(as_tensor(x), path) if x.ndim else self.tree_of(x.item(), path)
        if len(path) > MAX_DEPTH:
            raise ValueError(f"containers are nested more than {MAX_DEPTH} deep, or in themselves")
        if isinstance(x, dict):
            pairs = [[self.key(k, path), self.tree_of(v, (*path, k))] for k, v in x.items()]
            return {next(kind for kind, make in DICTS.items() if isinstance(x, make)): pairs}
        if isinstance(x, (list, tuple)):
            items = [self.tree_of(item, (*path, i)) for i, item in enumerate(x)]
            return items if isinstance(x, list) else {"tuple": items}
        raise TypeError(
            f"cannot save {told(path)}, of class {type(x).__name__}: files hold Tensors, numbers, "
            "text, None, and lists, tuples and dicts of these; of a module, save its state_dict()"
        )

    def key(self, key: Any, path: tuple[Any, ...]) -> Any:
        """Return the key of a dict as JSON takes it."""
        if isinstance(key, (TensorBase, dict, list)):
            raise TypeError(f"cannot save a key of {told(path)}, of class {type(key).__name__}")
        return self.tree_of(key, (*path, "key"))

    def tensor(self, x: Any, path: tuple[Any, ...]) -> Any:
        """Return what stands for a Tensor, whose array is kept."""
        if id(x) not in self.names:
            self.names[id(x)] = name = self.new_name(path)
            self.arrays[name] = stored(x.detach())
            self.kept.append(x)
        tree: dict[str, Any] = {"tensor": self.names[id(x)]}
        if x.dtype is bfloat16:
            tree["dtype"] = bfloat16.name
        return {**tree, "requires_grad": True} if x.requires_grad and x.is_leaf else tree

    def new_name(self, path: tuple[Any, ...]) -> str:
        """Return a name that no array has, made of keys, such as 'model.layers.0.weight'."""
        name = ".".join(map(str, path)) or "data"
        name = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name)[:200]
        found, count = name, 1
        while found in self.arrays or found == "__metadata__":
            count += 1
            found = f"{name}.{count}"
        return found


def stored(x: Any) -> Any:
    """Return the elements as a contiguous ndarray, little-endian; of bfloat16 as a Tensor."""
    import numpy

    if x.dtype is bfloat16:
        return x.clone().contiguous()
    array = numpy.asarray(x)
    return numpy.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def widened(array: Any) -> Any:
    """Return an ndarray as it is, and a Tensor of bfloat16 as one of float32, bit for bit."""
    if not isinstance(array, TensorBase):
        return array
    wide = as_bits(array).astype("<u4") << 16
    return wide.view("<f4")


def narrowed(array: Any) -> Any:
    """Return what `widened` was given."""
    if isinstance(array, TensorBase):
        return array
    if array.dtype.name != "float32":
        raise ValueError(f"its structure has bfloat16 as {array.dtype.name}: float32 expected")
    return from_bits((array.view("u4") >> 16).astype("u2"))


def plain(x: Any) -> Any:
    """Return a number, text, truth or None as one of Python's own types."""
    for kind in (bool, int, float, str):
        if isinstance(x, kind):
            return kind(x)
    return x


def told(path: tuple[Any, ...]) -> str:
    """Return how one gets to something."""
    return "this" if not path else "x" + "".join(f"[{key!r}]" for key in path)


def flatten(x: Any) -> tuple[str, dict[str, Any]]:
    """Return the structure of a container as text, and the arrays in it by name.

    Raises:
        TypeError: something in it is no plain data; the message says where it is.
        ValueError: it is nested too deep.
    """
    found = Flattening()
    tree = found.tree_of(x, ())
    return json.dumps({"format": FORMAT, "tree": tree}, separators=(",", ":")), found.arrays


def unflatten(text: str, arrays: Mapping[str, Any]) -> Any:
    """Return the container that `flatten` was given.

    Raises:
        ValueError: the text is no such structure, or does not name each array.
    """
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its structure is no JSON: {error}") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT or "tree" not in whole:
        raise ValueError(f"its structure is not of the format {FORMAT!r}")
    tensors: dict[str, Any] = {}
    built = rebuilt(whole["tree"], arrays, tensors, 0)
    if len(tensors) != len(arrays):
        raise ValueError(f"its structure names {len(tensors)} of {len(arrays)} arrays")
    return built


def rebuilt(tree: Any, arrays: Mapping[str, Any], tensors: dict[str, Any], depth: int) -> Any:
    """Return what a tree stands for; each Tensor is made once."""

    def inner(part: Any) -> Any:
        return rebuilt(part, arrays, tensors, depth + 1)

    if depth > MAX_DEPTH + 1:
        raise ValueError("its structure is nested too deep")
    if isinstance(tree, list):
        return [inner(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    if set(tree) <= {"tensor", "requires_grad", "dtype"} and isinstance(tree.get("tensor"), str):
        return tensor_of(tree, arrays, tensors)
    if len(tree) == 1:
        kind, parts = next(iter(tree.items()))
        if kind in KINDS and isinstance(parts, list):
            return KINDS[kind](parts, inner)
    raise ValueError(f"its structure has an object of {sorted(tree)[:3]}")


def tensor_of(tree: dict[str, Any], arrays: Mapping[str, Any], tensors: dict[str, Any]) -> Any:
    """Return the Tensor of a name."""
    name = tree["tensor"]
    if name not in arrays:
        raise ValueError(f"its structure names an array {name!r}, which is missing")
    if name not in tensors:
        is_brain = tree.get("dtype") == bfloat16.name
        tensors[name] = tensor(narrowed(arrays[name]) if is_brain else arrays[name])
        if tree.get("requires_grad") is True:
            tensors[name].requires_grad = True
    return tensors[name]


def dict_of(pairs: list[Any], inner: Callable[[Any], Any]) -> dict[Any, Any]:
    """Return a dict of pairs."""
    found = {}
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError("its structure has a dict that is not of pairs")
        key = inner(pair[0])
        try:
            found[key] = inner(pair[1])
        except TypeError:
            raise ValueError(f"its structure has a key of class {type(key).__name__}") from None
    if len(found) != len(pairs):
        raise ValueError("its structure has a dict with two equal keys")
    return found


KINDS: dict[str, Callable[[list[Any], Callable[[Any], Any]], Any]] = {
    "counter": lambda parts, inner: Counter(dict_of(parts, inner)),
    "dict": dict_of,
    "ordered": lambda parts, inner: OrderedDict(dict_of(parts, inner)),
    "tuple": lambda parts, inner: tuple(inner(part) for part in parts),
}
