"""Module, with Values and Tensors on the C core.

Attributes and lists of modules report their changes, each of which gets the next number;
`Structure.version` is the last one given. While that is the same, nothing has changed; where it is
another, the numbers of the modules and lists that something was derived from tell whether it still
holds.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import _core, modules
from ..handles import RemovableHandle
from ..modules import Block, Parameters, has_own
from ..random import default_generator
from ..value import Value
from .hooks import ModuleHooks, call_with_hooks
from .states import StateHooks, hooked, load_with_hooks, state_with_hooks

Number = float  # which is a method in Module

__all__ = ["Derived", "Module", "Structure", "WatchedList", "last_change"]


class Structure:
    """Numbers the changes of modules and their lists.

    Attributes:
        version: the number of the last change.
    """

    version = 0
    numbers = itertools.count(1)


def last_change(part: Any) -> int:
    """Return the number of the last change of a module or list; 0: there was none."""
    number: int = getattr(part, "_changed", 0)
    return number


def report(part: Any) -> None:
    """Note that a module or list has just changed."""
    number = next(Structure.numbers)  # one step, so that threads get different ones
    object.__setattr__(part, "_changed", number)
    Structure.version = number


def reporting(name: str) -> Callable[..., Any]:
    """Return a list's method that also reports a change."""
    method = getattr(list, name)

    def change(self: list[Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        finally:
            report(self)

    change.__name__ = name
    return change


class WatchedList(list[Any]):
    """A list in a module, which reports its changes."""

    for _name in (
        "__delitem__", "__iadd__", "__imul__", "__setitem__", "append", "clear",
        "extend", "insert", "pop", "remove", "reverse", "sort",
    ):  # fmt: skip
        locals()[_name] = reporting(_name)
    del _name


def watched_parts(module: Any) -> list[Any] | None:
    """Return the modules and lists within a module; None where one does not report changes."""
    pending, parts = [module], []
    seen: set[int] = set()
    while pending:
        item = pending.pop()
        if id(item) in seen:
            continue
        if isinstance(item, Module):
            if item is not module and has_own(item, "parameters"):
                return None  # nobody reports what it will say
            pending += vars(item).values()
        elif isinstance(item, (WatchedList, tuple)):
            pending += item
        elif isinstance(item, (list, Mapping, modules.Module, _core.TensorBase)):
            return None  # a Tensor may come to require a gradient
        else:
            continue
        seen.add(id(item))
        if item is not module and not isinstance(item, tuple):
            parts.append(item)
    return parts


class Derived:
    """What follows from a module and what it holds, while they do not change.

    Args:
        module: which keeps this object, and so is not kept by it.
        result: what follows.
        parts: the modules and lists that it follows from, but for the module itself.
        version: the structure's before they were looked at.
    """

    __slots__ = ("kinds", "last", "parts", "result")

    def __init__(self, module: Any, result: Any, parts: list[Any], version: int) -> None:
        self.result, self.parts = result, parts
        self.kinds = {type(part) for part in parts if isinstance(part, Module)}
        self.last = self.last_change(module)
        if Structure.version != version:  # another thread has changed something meanwhile
            self.last = -1

    def last_change(self, module: Any) -> int:
        """Return the number of the last change of the module or a part."""
        last: int = max(map(last_change, (module, *self.parts)))
        return last

    def holds(self, module: Any) -> bool:
        """Tell whether nothing has changed since."""
        return self.last_change(module) == self.last


class Module(modules.Module):
    __doc__ = modules.Module.__doc__

    __slots__ = (
        "_changed",
        "_listed",
        "_plan",
        "_planned",
    )  # not among the attributes, which are parts

    value_type = Value
    tensor_type = _core.TensorBase
    list_type = WatchedList
    _changed: int
    _listed: tuple[int, Derived]  # the structure's version, and the parameters then
    _plan: tuple[int, Any]  # the structure's version, and the plan then, if there is one
    _planned: Derived  # the same with its parts
    _hooks: ModuleHooks | None = None
    _state_hooks: StateHooks | None = None
    if TYPE_CHECKING:  # parameters and modules are attributes that nobody declares

        def __getattr__(self, name: str) -> Any: ...

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return call_with_hooks(self, self._hooks, self.forward, args, kwargs)

    def parameters(self, recurse: bool = True) -> list[Any]:
        """Return the parameters in the order of `named_parameters`.

        Args:
            recurse: whether those of the modules inside are among them.

        Returns:
            A new list of Values and Tensors, each once; `next` takes them one by one.
        """
        if not recurse:
            return super().parameters(False)
        version = Structure.version
        try:
            listed_in, derived = self._listed
        except AttributeError:
            return Parameters(self._list_anew(version))
        if not all(kind.parameters is Module.parameters for kind in derived.kinds):
            return Parameters(self._list_anew(version))
        if listed_in != version:
            if not derived.holds(self):
                return Parameters(self._list_anew(version))
            object.__setattr__(self, "_listed", (version, derived))
        return Parameters(derived.result)

    def _list_anew(self, version: int) -> list[Any]:
        """Return the parameters, and remember them if every change of them will be reported."""
        parts = watched_parts(self)
        found = super().parameters()
        if parts is not None:
            derived = Derived(self, tuple(found), parts, version)
            object.__setattr__(self, "_listed", (version, derived))
        elif hasattr(self, "_listed"):
            object.__delattr__(self, "_listed")
        return found

    def __getstate__(self) -> dict[str, Any]:
        return vars(self).copy()

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        report(self)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        report(self)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of Values to 0.0; take those of Tensors away, or set them to 0.

        Args:
            set_to_none: of Tensors: let grad be None; else the gradient's elements become 0.
        """
        parameters = self.parameters()
        handles = [p._handle for p in parameters if type(p) is Value]
        _core.zero_gradients(handles, len(handles))
        if len(handles) < len(parameters):
            super().zero_grad(set_to_none)

    # ---- hooks

    def _add_hook(self, kind: str, hook: Any, prepend: bool, **options: Any) -> RemovableHandle:
        if self._hooks is None:
            self._hooks = ModuleHooks()
        return self._hooks.add(kind, hook, prepend, **options)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before each call; what it returns takes the place of args.

        Args:
            hook: the function; prepend: call it before the others.
            with_kwargs: call hook(module, args, kwargs), which returns both or None.

        Returns:
            A handle whose `remove()` ends it.
        """
        return self._add_hook("forward_pre", hook, prepend, with_kwargs=with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call hook(module, args, output) after each call; what it returns takes output's place.

        Args:
            hook: the function; prepend: call it before the others.
            with_kwargs: call hook(module, args, kwargs, output).
            always_call: also where the call raises, with None for output.

        Returns:
            A handle whose `remove()` ends it.
        """
        options = {"with_kwargs": with_kwargs, "always_call": always_call}
        return self._add_hook("forward", hook, prepend, **options)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when the inputs' gradients are there.

        What it returns takes the place of grad_input. Inputs that need no gradient are None.

        Returns:
            A handle whose `remove()` ends it.
        """
        return self._add_hook("backward", hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call hook(module, grad_output) before the module's backward.

        What it returns takes the place of grad_output.

        Returns:
            A handle whose `remove()` ends it.
        """
        return self._add_hook("backward_pre", hook, prepend)

    def _add_state_hook(self, kind: str, hook: Any) -> RemovableHandle:
        if self._state_hooks is None:
            self._state_hooks = StateHooks()
        return self._state_hooks.add(kind, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, prefix, keep_vars) before a state is made, the module's or a whole's.

        Returns:
            A handle whose `remove()` ends it.
        """
        return self._add_state_hook("state_dict_pre", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, state_dict, prefix, local_metadata) after; it may change the dict.

        Returns:
            A handle whose `remove()` ends it.
        """
        return self._add_state_hook("state_dict_post", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call a hook before a state is loaded, with a copy of the dict that it may change.

        hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs) may add to the lists; what is in error_msgs is raised and nothing is set.

        Returns:
            A handle whose `remove()` ends it.
        """
        return self._add_state_hook("load_pre", hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call hook(module, incompatible_keys) after a state is loaded; it may change the lists.

        Returns:
            A handle whose `remove()` ends it.
        """
        return self._add_state_hook("load_post", hook)

    # ---- types

    def to(self, *args: Any, **options: Any) -> Any:
        """Cast parameters and buffers that are Tensors of floats; return this module.

        They stay the same objects, so that optimizers know them. Values are float64 and stay so.

        Args:
            args, options: as for Tensor.to: a dtype, the device "cpu", or a Tensor to be like.
        """
        from ..tensors.conversion import as_tensor
        from ..tensors.dtypes import float32, float64

        samples = [as_tensor(0.0, dtype=kind) for kind in (float32, float64)]
        kinds = [sample.to(*args, **options).dtype for sample in samples]
        if kinds[0] is not kinds[1]:
            return self  # no type was named, only where it shall be
        for _, item, *_ in self._walk("", True):
            is_leaf = isinstance(item, _core.TensorBase) and item.is_leaf
            if is_leaf and item.is_floating_point() and item.dtype is not kinds[0]:
                become(item, kinds[0])
        return self

    def type(self, dst_type: Any) -> Any:
        """Cast as `to` does; return this module."""
        return self.to(dst_type)

    def float(self) -> Any:
        """Cast to float32 as `to` does; return this module."""
        return self.to("float32")

    def double(self) -> Any:
        """Cast to float64 as `to` does; return this module."""
        return self.to("float64")

    def half(self) -> Any:
        """Cast to float16 as `to` does; return this module."""
        return self.to("float16")

    def cuda(self, device: Any = None) -> Any:
        """Refuse: the CPU is the only device."""
        raise ValueError("cuda: there is no GPU here, the only device is 'cpu'; leave .cuda() out")

    def bfloat16(self) -> Any:
        """Cast to bfloat16 as `to` does; return this module."""
        return self.to("bfloat16")

    def cpu(self) -> Any:
        """Return this module, which is there."""
        return self

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Return this module, whose elements stay: the CPU is the only device."""
        return self.to("cpu" if device is None else device)

    # ---- state, for which the Tensor half is imported

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        make = functools.partial(
            super().state_dict, destination=destination, prefix=prefix, keep_vars=keep_vars
        )
        found = hooked(self)
        return state_with_hooks(found, make, prefix, keep_vars) if found else make()

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        load = super().load_state_dict
        found = hooked(self) if isinstance(state_dict, Mapping) else ()
        if not found:
            return load(state_dict, strict, assign)
        return load_with_hooks(
            self,
            found,
            lambda state: load(state, False, assign),
            super().state_dict,
            state_dict,
            strict,
        )

    state_dict.__doc__ = modules.Module.state_dict.__doc__
    load_state_dict.__doc__ = modules.Module.load_state_dict.__doc__

    @staticmethod
    def _entry_of(shape: tuple[int, ...], numbers: list[Number]) -> Any:
        from ..tensors.conversion import new
        from ..tensors.dtypes import float64

        return new(modules.Module._entry_of(shape, numbers), float64)

    def _read_entry(self, name: str, entry: Any, target: Any) -> tuple[tuple[int, ...], Any]:
        if isinstance(target, Block):
            return super()._read_entry(name, entry, target)
        from ..tensors.conversion import as_tensor

        try:
            found: Any = as_tensor(entry)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
        return found.shape, found.detach().to(target.dtype)

    def _assign_states(
        self, states: list[tuple[Any, Any]], state_dict: Mapping[str, Any], names: list[str]
    ) -> list[tuple[Any, Any]]:
        from ..tensors.conversion import as_tensor

        left = []
        for name, (target, found) in zip(names, states, strict=True):
            if isinstance(target, Block):
                left.append((target, found))
            else:
                needs = target.requires_grad
                target._become(as_tensor(state_dict[name]).detach())
                target.requires_grad = needs and target.is_floating_point()
        return left

    def _set_states(self, states: list[tuple[Any, Any]]) -> None:
        tensors, others, values, numbers = [], [], [], []
        for target, found in states:
            if isinstance(target, Block):
                values += target.values
                numbers += found
            else:
                tensors.append(target.detach())
                others.append(found)
        _core.TensorBase._load(tuple(tensors), tuple(others), tuple(values), tuple(numbers))

    @staticmethod
    def default_generator() -> Any:
        """Return the generator of weights where none is given."""
        return default_generator()


def become(tensor: Any, kind: Any) -> None:
    """Cast a leaf and its gradient in place."""
    needs, gradient = tensor.requires_grad, tensor.grad
    tensor._become(tensor.detach().to(kind))
    tensor.requires_grad = needs
    if gradient is not None:
        tensor.grad = gradient.detach().to(kind)
