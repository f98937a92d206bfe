"""Module: what has parameters, of any engine.

A parameter is a leaf Value, or a leaf Tensor that requires a gradient; another leaf Tensor among
the attributes is a buffer. They are found in attributes, and in the lists, tuples, dicts and
modules there, when somebody asks: nothing has to be registered. Names are PyTorch's.

No engine is imported here. One takes Module over by giving `value_type`, `tensor_type`,
`list_type` and the methods that make and read the entries of a state.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .errors import StateError
from .scalars import Scalar, as_float

__all__ = ["Block", "IncompatibleKeys", "Module"]


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """The names that a state lacks, and those that a module does not have."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if any(self) else "<All keys matched successfully>"


class Block:
    """Values that are one entry of a state.

    Args:
        shape: the entry's.
        values: as many as the shape says, in row-major order.
    """

    def __init__(self, shape: tuple[int, ...], values: list[Any]) -> None:
        self.shape, self.values = shape, values


def entries_of(item: Any) -> Any:
    """Return the names and things in a module, dict, list or tuple.

    Of a module's attributes, Tensors come before what holds others, parameters first: PyTorch's
    order. Values stay among the lists that hold more of them.
    """
    if isinstance(item, Module):
        return sorted(vars(item).items(), key=item._rank)
    if isinstance(item, Mapping):
        return item.items()
    return enumerate(item) if isinstance(item, (list, tuple)) else ()


def joined(prefix: str, name: Any) -> str:
    """Return the path of what is called so in something of that path."""
    return f"{prefix}.{name}" if prefix else f"{name}"


def has_own(module: Any, name: str) -> bool:
    """Tell whether a module, or its class, has a method of this package replaced."""
    if name in vars(module):
        return True
    found = getattr(type(module), name)
    return str(getattr(found, "__module__", "")).split(".")[0] != __package__


def has_own_state(module: Any) -> bool:
    """Tell whether a module has a state of its own making."""
    return has_own(module, "state_dict") or has_own(module, "load_state_dict")


def states_of(
    inner: dict[str, Module], state: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the parts of a state that belong to modules, by their paths; and the rest."""
    parts: dict[str, dict[str, Any]] = {path: {} for path in inner}
    rest = {}
    for name, entry in state.items():
        owners = [path for path in inner if isinstance(name, str) and name.startswith(f"{path}.")]
        if owners:
            parts[owners[0]][name[len(owners[0]) + 1 :]] = entry
        else:
            rest[name] = entry
    return parts, rest


class Parameters(list[Any]):
    """A list of parameters, from which next() takes one after the other, as from PyTorch's."""

    __slots__ = ("_taken",)
    _taken: int

    def __next__(self) -> Any:
        place = getattr(self, "_taken", 0)
        if place >= len(self):
            raise StopIteration
        self._taken = place + 1
        return self[place]


class Module:
    """Something with parameters: Values and Tensors in its attributes, lists and modules.

    A subclass sets attributes in `__init__` and defines `forward`, which a call runs.

    Attributes:
        training: whether it is being trained; see `train` and `eval`.
    """

    training = True
    value_type: type[Any] = Scalar
    tensor_type: Any = ()
    list_type: type[Any] = list
    # Attributes that are parameters, buffers, or buffers outside the state, because they were
    # registered as such.
    _parameter_names: frozenset[str] = frozenset()
    _buffer_names: frozenset[str] = frozenset()
    _transient_names: frozenset[str] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "forward" in vars(cls) and "__call__" not in vars(cls):
            cls.__call__ = cls._call  # type: ignore[method-assign]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what `forward` does."""
        return self._call(*args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result of a call; a subclass says how.

        Raises:
            NotImplementedError: it does not.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    # ---- what there is

    def _rank(self, entry: tuple[str, Any]) -> int:
        """Return where an attribute comes in the order: parameters, buffers, others."""
        name, item = entry
        if not isinstance(item, self.tensor_type):
            return 2
        return 0 if self._is_parameter(item, self, name) else 1

    def _walk(
        self, prefix: str, recurse: bool, unless_own: str = "", repeats: bool = False
    ) -> Iterator[tuple[str, Any, Module, Any]]:
        """Yield each module, Value and Tensor once, depth first, itself at first.

        Args:
            prefix: this module's path.
            recurse: walk into modules.
            unless_own: not into those that have a method of this name of their own.
            repeats: yield what has several paths under each of them.

        Yields:
            The path; the thing; the module that it belongs to, and its attribute there, None
            for what is in a list, tuple or dict.
        """
        seen: set[int] = set()
        inside: frozenset[int] = frozenset()  # of what, which may hold itself
        pending: list[tuple[str, Any, Module, Any, frozenset[int]]]
        pending = [(prefix, self, self, None, inside)]
        while pending:
            name, item, owner, attribute, inside = pending.pop()
            if id(item) in (inside if repeats else seen):
                continue
            is_module = isinstance(item, Module)
            if is_module or isinstance(item, self.value_type) or isinstance(item, self.tensor_type):
                seen.add(id(item))
                yield name, item, owner, attribute
            if is_module and item is not self:
                if not recurse or (unless_own and has_own(item, unless_own)):
                    continue
            parts = entries_of(item)
            if parts:
                seen.add(id(item))
                inside = inside | {id(item)} if repeats else inside
                owner = item if is_module else owner
                pending += reversed(
                    [
                        (joined(name, k), x, owner, k if is_module else None, inside)
                        for k, x in parts
                    ]
                )

    def _is_parameter(self, item: Any, owner: Module, attribute: Any) -> bool:
        """Tell whether something that the walk found is a parameter."""
        if isinstance(item, self.value_type):
            return bool(item.is_leaf)
        if not isinstance(item, self.tensor_type) or attribute in owner._buffer_names:
            return False
        if attribute in owner._parameter_names or getattr(item, "is_parameter", False):
            return True
        return bool(item.requires_grad and item.is_leaf)

    def _is_buffer(self, item: Any, owner: Module, attribute: Any) -> bool:
        """Tell whether something that the walk found is a buffer."""
        if not isinstance(item, self.tensor_type) or attribute is None or not item.is_leaf:
            return False
        return not self._is_parameter(item, owner, attribute)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yield each parameter once with its path, such as 'layers.0.neurons.3.w.1'.

        Parameters are leaf Values, leaf Tensors that require a gradient, and what
        `register_parameter` was given; depth first, in the order of the attributes. Of a module
        below whose class or object has a `parameters()` of its own, what that says.

        Args:
            prefix: what stands before every path, with a dot.
            recurse: whether those of the modules inside are among them.
            remove_duplicate: with False what has several paths comes under each of them.
        """
        seen: set[int] = set()
        for name, item, *where in self._walk(prefix, recurse, "parameters", not remove_duplicate):
            if isinstance(item, Module):
                of_item = item is not self and recurse and has_own(item, "parameters")
                found: Any = item._own_parameters(name) if of_item else ()
            else:
                found = ((name, item),) if self._is_parameter(item, *where) else ()
            for path, parameter in found:
                if id(parameter) not in seen or not remove_duplicate:
                    seen.add(id(parameter))
                    yield path, parameter

    def _own_parameters(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Yield what a `parameters()` of the user's gives, with paths."""
        paths = {id(item): path for path, item, *_ in self._walk(prefix, True)}
        for i, parameter in enumerate(self.parameters()):
            yield paths.get(id(parameter), joined(prefix, i)), parameter

    def parameters(self, recurse: bool = True) -> list[Any]:
        """Return the parameters in the order of `named_parameters`.

        Args:
            recurse: whether those of the modules inside are among them.

        Returns:
            A new list of Values and Tensors, each once; `next` takes them one by one.
        """
        return Parameters(parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yield each buffer once with its path.

        Buffers are attributes that are leaf Tensors and no parameters. Arguments as for
        `named_parameters`.
        """
        for name, *found in self._walk(prefix, recurse, repeats=not remove_duplicate):
            if self._is_buffer(*found):
                yield name, found[0]

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """Yield each buffer once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_modules(
        self, memo: Any = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield each module once with its path, this one first.

        Args:
            memo: a set of modules that do not come, and to which those that come are added.
            prefix: what stands before every path, with a dot.
            remove_duplicate: with False what has several paths comes under each of them.
        """
        for name, item, *_ in self._walk(prefix, True, repeats=not remove_duplicate):
            if isinstance(item, Module) and (memo is None or item not in memo):
                if memo is not None and remove_duplicate:
                    memo.add(item)
                yield name, item

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Yield each module once, this one first; with False as often as it has paths."""
        return (m for _, m in self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield each module among the attributes, and in lists and dicts there, with its path."""
        for name, item, *_ in self._walk("", False):
            if isinstance(item, Module) and item is not self:
                yield name, item

    def children(self) -> Iterator[Module]:
        """Yield each module among the attributes, and in lists and dicts there."""
        return (module for _, module in self.named_children())

    def _part_at(self, target: str) -> Any:
        """Return what stands under a path, such as a list of modules."""
        found: Any = self
        for i, name in enumerate(target.split(".") if target else ()):
            parts = dict(entries_of(found))
            key: Any = int(name) if name.isdecimal() and isinstance(found, (list, tuple)) else name
            if key not in parts:
                path = ".".join(target.split(".")[:i]) or type(self).__name__
                raise AttributeError(f"{path} has no attribute `{name}`")
            found = parts[key]
        return found

    def get_submodule(self, target: str) -> Any:
        """Return the module of a path, such as 'encoder.0'; this one for the empty path.

        Raises:
            AttributeError: there is none.
        """
        found = self._part_at(target)
        if not isinstance(found, Module):
            raise AttributeError(f"`{target}` is not a module, but of {type(found).__name__}")
        return found

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module in the place of the one of a path, or with strict=False set a new one.

        Raises:
            AttributeError: there is nothing to put it into, or with strict no module in its place.
            ValueError: the path is empty, or what is given is no module.
        """
        if not target or not isinstance(module, Module):
            raise ValueError(f"set_submodule: a path and a module are needed, not {target!r}")
        path, _, name = target.rpartition(".")
        if strict:
            self.get_submodule(target)
        owner = self._part_at(path)
        if isinstance(owner, Module):
            setattr(owner, name, module)
        else:
            owner[int(name) if isinstance(owner, list) else name] = module

    def compile(self, *args: Any, **options: Any) -> None:
        """Do nothing: ops are ready-made."""

    def _get_named(self, what: str, target: str, named: Iterator[tuple[str, Any]]) -> Any:
        for name, item in named:
            if name == target:
                return item
        raise AttributeError(f"{type(self).__name__} has no {what} `{target}`")

    def get_parameter(self, target: str) -> Any:
        """Return the parameter of a path.

        Raises:
            AttributeError: there is none.
        """
        return self._get_named("parameter", target, self.named_parameters())

    def get_buffer(self, target: str) -> Any:
        """Return the buffer of a path.

        Raises:
            AttributeError: there is none.
        """
        return self._get_named("buffer", target, self.named_buffers())

    # ---- attributes with a role

    def _register(self, what: str, name: str, item: Any, kind: Any) -> None:
        """Set an attribute that must be new, to something of a kind or None."""
        if not isinstance(name, str):
            raise TypeError(f"the name of a {what} is text, not {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"the name of a {what} is not empty and has no dot: {name!r}")
        if hasattr(self, name) and name not in vars(self):
            raise KeyError(f"{type(self).__name__} has an attribute {name!r} already")
        if item is not None and not isinstance(item, kind):
            raise TypeError(f"{name!r} cannot be a {what}: it is of {type(item).__name__}")
        setattr(self, name, item)

    def register_parameter(self, name: str, param: Any) -> None:
        """Set an attribute that is a parameter, even while it requires no gradient.

        Args:
            name: the attribute's; param: a Value, a Tensor or None.

        Raises:
            TypeError: the name is no text, or param is something else.
            KeyError: the name is empty, has a dot, or is a method's.
        """
        self._register("parameter", name, param, (self.value_type, self.tensor_type))
        self._buffer_names -= {name}
        self._parameter_names |= {name}

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Set an attribute that is a buffer, even if it requires a gradient.

        Args:
            name: the attribute's.
            tensor: a Tensor, or None.
            persistent: whether it belongs to `state_dict`.

        Raises:
            TypeError: the name is no text, or tensor is something else.
            KeyError: the name is empty, has a dot, or is a method's.
        """
        self._register("buffer", name, tensor, self.tensor_type)
        self._parameter_names -= {name}
        self._buffer_names |= {name}
        transient = self._transient_names - {name}
        self._transient_names = transient if persistent else transient | {name}

    def add_module(self, name: str, module: Module | None) -> None:
        """Set an attribute that is a module, or None.

        Raises:
            TypeError: the name is no text, or module is something else.
            KeyError: the name is empty, has a dot, or is a method's.
        """
        self._register("module", name, module, Module)

    register_module = add_module

    # ---- what is done to all

    def apply(self, fn: Callable[[Module], Any]) -> Any:
        """Call a function with every module below, inner ones first, and with this one.

        Returns:
            This module.
        """
        order, pending, seen = [], [self], {id(self)}
        while pending:
            module = pending.pop()
            order.append(module)
            inner = [child for child in module.children() if id(child) not in seen]
            seen.update(map(id, inner))
            pending += inner
        for module in reversed(order):
            fn(module)
        return self

    def train(self, mode: bool = True) -> Any:
        """Set `training` of this module and those below; return it.

        Raises:
            ValueError: mode is no bool.
        """
        if not isinstance(mode, bool):
            raise ValueError(f"train() takes True or False, not {mode!r}")
        for _, module, *_ in self._walk("", True, "train"):
            if isinstance(module, Module):
                if module is not self and has_own(module, "train"):
                    module.train(mode)
                else:
                    module.training = mode
        return self

    def eval(self) -> Any:
        """Set `training` of this module and those below to False; return it."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Have gradients computed for the parameters that are Tensors, or not; return it.

        They stay parameters. A Value always has a gradient.

        Raises:
            TypeError: there are Values, and no gradient is wanted.
        """
        found = [f for _, *f in self._walk("", True) if self._is_parameter(*f)]
        if not requires_grad and any(isinstance(item, self.value_type) for item, *_ in found):
            raise TypeError("a Value always has a gradient; leave it out of the optimizer instead")
        for item, owner, attribute in found:
            if isinstance(item, self.tensor_type):
                if attribute is not None:
                    owner._parameter_names |= {attribute}
                item.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of Values to 0.0; take those of Tensors away, or set them to 0.

        Args:
            set_to_none: of Tensors: let grad be None; else the gradient's elements become 0.
        """
        for parameter in self.parameters():
            if not isinstance(parameter, self.tensor_type):
                parameter.grad = 0.0  # a Value, or an object of the user's
            elif set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach()
                parameter.grad.zero_()

    # ---- state

    def _state_block(self) -> tuple[dict[str, Block], tuple[str, ...]]:
        """Return entries that stand for attributes as a whole, and the attributes' names."""
        return {}, ()

    def _state_targets(self, prefix: str = "") -> dict[str, Any]:
        """Return what the entries of a state belong to: Blocks of Values, and Tensors.

        A module below that has a `state_dict` or `load_state_dict` of its own stands for itself,
        under its path.
        """
        targets: dict[str, Any] = {}
        seen: set[int] = set()
        pending: list[tuple[str, Any, Module, Any]] = [(prefix, self, self, None)]
        while pending:
            name, item, owner, attribute = pending.pop()
            if isinstance(item, self.tensor_type):
                found = item, owner, attribute
                if self._is_parameter(*found) or (
                    self._is_buffer(*found) and attribute not in owner._transient_names
                ):
                    targets[name] = item
            elif isinstance(item, self.value_type):
                if item.is_leaf:
                    targets[name] = Block((), [item])
            elif id(item) not in seen:
                seen.add(id(item))
                parts, is_module = dict(entries_of(item)), isinstance(item, Module)
                if is_module and item is not self and has_own_state(item):
                    targets[name] = item
                    continue
                if is_module:
                    owner = item
                    blocks, covered = item._state_block()
                    targets.update((joined(name, key), block) for key, block in blocks.items())
                    parts = {key: part for key, part in parts.items() if key not in covered}
                pending += reversed(
                    [
                        (joined(name, k), x, owner, k if is_module else None)
                        for k, x in parts.items()
                    ]
                )
        return targets

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """Return parameters and buffers by name, as `load_state_dict` and `saving.save` take them.

        What has two names has two entries. A module below whose class or object has a
        `state_dict` of its own is asked for its entries.

        Args:
            destination: a dict that the entries are put into; by default a new one.
            prefix: what stands before every name.
            keep_vars: return the module's own Tensors.

        Returns:
            Tensors that share memory with the module's. Values are entries of float64, in the
            reference nested lists: a Layer has `weight` (nout, nin) and `bias` (nout), a Neuron
            `weight` (nin) and `bias` (), any other Value is an entry of its own, of shape ().
        """
        state: Any = {} if destination is None else destination
        for path, target in self._state_targets().items():
            name = prefix + path
            if isinstance(target, Block):
                numbers = [value.data for value in target.values]
                state[name] = self._entry_of(target.shape, numbers)
            elif isinstance(target, Module):
                state.update((joined(name, key), x) for key, x in target.state_dict().items())
            else:
                state[name] = target if keep_vars else target.detach()
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Set parameters and buffers from a state; nothing is set if something is wrong.

        A module below with a `load_state_dict` of its own, or a `state_dict`, loads its entries
        itself, before the others are set.

        Args:
            state_dict: by name Tensors, NumPy arrays, nested lists or numbers.
            strict: refuse names that are missing or unexpected.
            assign: let Tensors become those of the state, with their types and memory, in place
                of copying elements; they stay the objects that optimizers know.

        Returns:
            missing_keys and unexpected_keys.

        Raises:
            StateError: names are missing or unexpected, or a shape differs; all are named.
            TypeError: state_dict has no names, or something is not of real numbers.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict is a dict, not {type(state_dict).__name__}")
        targets = self._state_targets()
        inner = {name: x for name, x in targets.items() if isinstance(x, Module)}
        targets = {name: x for name, x in targets.items() if name not in inner}
        parts, state_dict = states_of(inner, state_dict)
        missing = [name for name in targets if name not in state_dict]
        unexpected = [name for name in state_dict if name not in targets]
        problems = []
        found = {}
        for name, target in targets.items():
            if name in state_dict:
                found[name] = entry = self._read_entry(name, state_dict[name], target)
                shape, needed = tuple(entry[0]), tuple(target.shape)
                if shape != needed:
                    problems.append(
                        f"size mismatch for {name}: copying a param with shape {shape} from "
                        f"checkpoint, the shape in current model is {needed}."
                    )
        if problems or (strict and (missing or unexpected)):
            raise state_error(self, problems, *(missing, unexpected) * strict)
        for name, part in parts.items():
            keys = inner[name].load_state_dict(part, strict, *[assign] * assign)
            for whole, found_there in zip((missing, unexpected), keys or ((), ()), strict=True):
                whole += [joined(name, key) for key in found_there]
        states = [(targets[name], numbers) for name, (_, numbers) in found.items()]
        if assign:
            states = self._assign_states(states, state_dict, list(found))
        self._set_states(states)
        return IncompatibleKeys(missing, unexpected)

    @staticmethod
    def _entry_of(shape: tuple[int, ...], numbers: list[float]) -> Any:
        """Return numbers as an entry of a state: nested lists, or a number."""
        for size in reversed(shape[1:]):
            numbers = [numbers[i : i + size] for i in range(0, len(numbers), size)]  # type: ignore[misc]
        return numbers if shape else numbers[0]

    def _read_entry(self, name: str, entry: Any, target: Any) -> tuple[tuple[int, ...], Any]:
        """Return the shape of an entry of a state, and its numbers as `_set_state` takes them."""
        shape = getattr(entry, "shape", None)
        items = entry.tolist() if hasattr(entry, "tolist") else entry
        if shape is None:
            sizes: list[int] = []
            inner = items
            while isinstance(inner, (list, tuple)):
                sizes.append(len(inner))
                if not inner:
                    break
                inner = inner[0]
            shape = sizes
        try:
            shape = tuple(shape)
            return shape, flattened(items, shape)
        except (TypeError, ValueError, OverflowError) as error:
            raise type(error)(f"{name}: {error}") from None

    def _assign_states(
        self, states: list[tuple[Any, Any]], state_dict: Mapping[str, Any], names: list[str]
    ) -> list[tuple[Any, Any]]:
        """Let Tensors become those of a state; return what is left to be set."""
        return states

    def _set_states(self, states: list[tuple[Any, Any]]) -> None:
        """Set the Values of blocks, and Tensors: all, or none if that is interrupted."""
        new = [x for block, numbers in states for x in zip(block.values, numbers, strict=True)]
        old = [(value, value.data) for value, _ in new]
        try:
            for value, number in new:
                value.data = number
        except BaseException:
            for value, number in old:
                value.data = number
            raise

    # ---- text

    def extra_repr(self) -> str:
        """Return what stands in the parentheses before the modules."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        found = [(name, x) for name, x, *_ in self._walk("", False, repeats=True) if x is not self]
        children = [(name, x) for name, x in found if isinstance(x, Module)]
        for name, module in children:
            lines.append(f"({name}): " + repr(module).replace("\n", "\n  "))
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def state_error(
    module: Module, problems: Iterable[str], missing: Any = (), unexpected: Any = ()
) -> StateError:
    """Return the error that tells all that is wrong with a state."""
    lines = [f"Error(s) in loading state_dict for {module._get_name()}:"]
    if missing:
        lines.append(f"Missing key(s) in state_dict: {quoted(missing)}.")
    if unexpected:
        lines.append(f"Unexpected key(s) in state_dict: {quoted(unexpected)}.")
    return StateError("\n\t".join([*lines, *problems]))


def quoted(names: list[Any]) -> str:
    """Return names in quotes, with commas."""
    return ", ".join(f'"{name}"' for name in names)


def flattened(items: Any, shape: tuple[int, ...]) -> list[float]:
    """Return the floats in nested lists of a shape, in row-major order."""
    if not shape:
        return [as_float(items)]
    if not isinstance(items, (list, tuple)) or len(items) != shape[0]:
        raise ValueError(f"lists of unequal lengths: {shape[0]} items are needed")
    return [number for item in items for number in flattened(item, shape[1:])]
