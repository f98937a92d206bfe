"""Hooks of modules: functions that see what goes into a module, what comes out, and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _core
from ..handles import Hooks, RemovableHandle, check_hook

__all__ = ["ModuleHooks", "call_with_hooks"]


class ModuleHooks:
    """The hooks of one module, each with its options."""

    kinds = ("forward_pre", "forward", "backward_pre", "backward")

    def __init__(self) -> None:
        self.of = {kind: Hooks() for kind in self.kinds}

    def add(self, kind: str, hook: Any, prepend: bool, **options: Any) -> RemovableHandle:
        """Add a hook behind the others, or before them."""
        check_hook(hook)
        return self.of[kind].add((hook, options), prepend)


def call_with_hooks(module: Any, hooks: ModuleHooks, call: Any, args: Any, named: Any) -> Any:
    """Call a module's function between its hooks."""
    for hook, options in list(hooks.of["forward_pre"].values()):
        if options["with_kwargs"]:
            found = hook(module, args, named)
            if found is not None:
                args, named = found
        else:
            found = hook(module, args)
            if found is not None:
                args = found if isinstance(found, tuple) else (found,)
    observed = Observed(module, hooks) if hooks.of["backward"] or hooks.of["backward_pre"] else None
    if observed:
        args = observed.watch_inputs(args)
    failed = True
    try:
        result = call(*args, **named)
        for hook, options in list(hooks.of["forward"].values()):
            more = (named,) if options["with_kwargs"] else ()
            found = hook(module, args, *more, result)
            result = result if found is None else found
        failed = False
    finally:
        if failed:
            for hook, options in list(hooks.of["forward"].values()):
                if options["always_call"]:
                    hook(module, args, *((named,) if options["with_kwargs"] else ()), None)
    return observed.watch_outputs(result) if observed else result


class Observed:
    """One call of a module whose gradients hooks want to see."""

    def __init__(self, module: Any, hooks: ModuleHooks) -> None:
        self.module, self.hooks = module, hooks
        self.grad_output: tuple[Any, ...] = ()
        self.is_input_watched = False

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments, through an identity whose backward ends the module's."""
        places = [i for i, x in enumerate(args) if needs_gradient(x)]
        if not places:
            return args
        self.is_input_watched = True

        def ended(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
            full: list[Any] = [None] * len(args)
            for i, gradient in zip(places, gradients, strict=True):
                full[i] = gradient
            found = self.run(tuple(full))
            return tuple(found[i] for i in places)

        passed = identity(ended, [args[i] for i in places])
        result = list(args)
        for i, x in zip(places, passed, strict=True):
            result[i] = x
        return tuple(result)

    def watch_outputs(self, result: Any) -> Any:
        """Return the result, through an identity whose backward begins the module's."""
        items = result if isinstance(result, tuple) else (result,)
        places = [i for i, x in enumerate(items) if needs_gradient(x)]
        if not places:
            return result

        def begun(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
            full: list[Any] = [None] * len(items)
            for i, gradient in zip(places, gradients, strict=True):
                full[i] = gradient
            self.grad_output = tuple(full)
            for hook, _ in list(self.hooks.of["backward_pre"].values()):
                found = hook(self.module, self.grad_output)
                if found is not None:
                    self.grad_output = found if isinstance(found, tuple) else (found,)
            if not self.is_input_watched:
                self.run((None,))
            return tuple(self.grad_output[i] for i in places)

        passed = list(items)
        for i, x in zip(places, identity(begun, [items[i] for i in places]), strict=True):
            passed[i] = x
        return tuple(passed) if isinstance(result, tuple) else passed[0]

    def run(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the inputs' gradients as the hooks leave them."""
        for hook, _ in list(self.hooks.of["backward"].values()):
            found = hook(self.module, grad_input, self.grad_output)
            if found is not None:
                grad_input = found if isinstance(found, tuple) else (found,)
        return grad_input


def needs_gradient(x: Any) -> bool:
    """Tell whether a gradient goes through an argument."""
    return isinstance(x, _core.TensorBase) and bool(x.requires_grad)


def identity(on_gradients: Callable[[tuple[Any, ...]], tuple[Any, ...]], tensors: Any) -> Any:
    """Return tensors as they are; in backward, all gradients go through a function at once."""
    from ..tensors.function import Function

    class Identity(Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            ctx.set_materialize_grads(False)
            return tuple(x.view_as(x) for x in inputs)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return on_gradients(gradients)

    return Identity.apply(*tensors)
