"""Parameters that are computed of others, in a module that does not know of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..._core import no_grad
from ...errors import ShapeError
from ..containers import ModuleDict
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization",
    "remove_parametrizations",
]  # fmt: skip


class ParametrizationList(Module):
    """What a tensor of a module is computed by, one after the other.

    Attributes:
        original: the Parameter or buffer that it is computed of; original0, original1 ... where
            the first one's `right_inverse` gives several.
    """

    def __init__(self, modules: Any, original: Any) -> None:
        self._count = 0
        for module in modules:
            self.append(module)
        first = self[0]
        if hasattr(first, "right_inverse"):
            original = first.right_inverse(original)
        self.is_tensor = not isinstance(original, (list, tuple))
        self._names = ["original"] if self.is_tensor else []
        for i, x in enumerate([original] if self.is_tensor else original):
            if not self.is_tensor:
                self._names.append(f"original{i}")
            self.register_parameter(self._names[-1], Parameter(x.detach()))

    def append(self, module: Module) -> None:
        """Compute by one more module."""
        self.add_module(str(self._count), module)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> Any:
        return vars(self)[str(range(self._count)[place])]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self._count))

    def forward(self) -> Any:
        """Return what is computed."""
        first, *others = self
        found = first(*[getattr(self, name) for name in self._names])
        for module in others:
            found = module(found)
        return found

    @no_grad()
    def right_inverse(self, value: Any) -> None:
        """Let the originals be those of which a value is computed.

        Raises:
            NotImplementedError: a module has no `right_inverse`.
        """
        for module in reversed(list(self)):
            if not hasattr(module, "right_inverse"):
                name = type(module).__name__
                raise NotImplementedError(f"{name} has no right_inverse, by which to set a tensor")
            value = module.right_inverse(value)
        for name, x in zip(self._names, [value] if self.is_tensor else value, strict=True):
            getattr(self, name).copy_(x)


def computed(name: str) -> property:
    """Return the attribute that is computed by a module's parametrizations."""

    def get(module: Any) -> Any:
        return vars(module)["parametrizations"][name]()

    def put(module: Any, value: Any) -> None:
        vars(module)["parametrizations"][name].right_inverse(value)

    return property(get, put)


def register_parametrization(
    module: Any, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Any:
    """Have a parameter or buffer of a module computed by another module; return the first one.

    What it is computed of is `module.parametrizations.NAME.original`, a Parameter, which was the
    tensor before, or what `parametrization.right_inverse` makes of it.

    Args:
        tensor_name: the attribute's name; parametrization: its forward takes the original, or
            several; unsafe: allow another shape.

    Raises:
        ValueError: there is no such tensor.
        ShapeError: what is computed has another shape.
    """
    if is_parametrized(module, tensor_name):
        known = module.parametrizations[tensor_name]
        before = getattr(module, tensor_name)
        check_shape(tensor_name, parametrization(before), before, unsafe)
        known.append(parametrization)
        return module
    if not hasattr(vars(module).get(tensor_name), "requires_grad"):
        raise ValueError(f"{type(module).__name__} has no parameter or buffer {tensor_name!r}")
    original = vars(module)[tensor_name]
    parametrization.train(module.training)
    listed = ParametrizationList([parametrization], original)
    listed.requires_grad_(original.requires_grad)
    check_shape(tensor_name, listed(), original, unsafe)
    delattr(module, tensor_name)
    module._parameter_names -= {tensor_name}
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = listed
    follow(module)
    return module


def follow(module: Any) -> None:
    """Give a module the class in which the attributes that are computed are properties.

    Each change makes another class, as copies of the module have the one before.
    """
    kind = getattr(type(module), "_plain", type(module))
    names = list(vars(module).get("parametrizations", ()))
    content = {"_plain": kind, **{name: computed(name) for name in names}}
    module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), content) if names else kind


def check_shape(name: str, made: Any, original: Any, unsafe: bool) -> None:
    """Refuse what does not fit in the place of a tensor."""
    if not unsafe and made.shape != original.shape:
        raise ShapeError(
            f"register_parametrization: {name!r} has the shape {tuple(original.shape)}, and what is"
            f" computed {tuple(made.shape)}"
        )


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Return whether something of a module is computed, or a tensor of this name."""
    found = vars(module).get("parametrizations")
    return bool(found) if tensor_name is None else found is not None and tensor_name in found


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Let a tensor be a Parameter of the module again; return the module.

    Args:
        leave_parametrized: with the value that is computed, otherwise with the original.

    Raises:
        ValueError: it is not parametrized, or has several originals, which are no tensor.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"{tensor_name!r} of {type(module).__name__} is not parametrized")
    listed = module.parametrizations[tensor_name]
    if not leave_parametrized and not listed.is_tensor:
        raise ValueError(f"{tensor_name!r} is computed of several: leave_parametrized=True")
    with no_grad():
        value = listed() if leave_parametrized else listed.original
    needs = any(p.requires_grad for p in listed.parameters())
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
    follow(module)
    module.register_parameter(tensor_name, Parameter(value.detach().clone(), needs))
    return module


def cached() -> AbstractContextManager[None]:
    """Return a block in which tensors are computed as everywhere: at every use."""
    return nullcontext()
