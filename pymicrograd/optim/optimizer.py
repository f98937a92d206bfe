"""What all optimizers share: groups of parameters with options, state, hooks, saving, copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from .. import _core
from ..handles import Hooks, check_hook
from ..scalars import not_negative
from .parameters import ParameterList, as_list, class_of
from .states import as_number, converted

__all__ = ["DEFAULTS", "Optimizer", "Option", "State", "groups_of", "kept", "tensor_or"]

# What stands for None, by the kind of the parameters: LLM101n's numbers, and PyTorch's.
DEFAULTS: dict[str, dict[str, Any]] = {
    "Values": {"lr": 0.1, "betas": (0.9, 0.95), "decoupled_decay": 0.0},
    "Tensors": {"lr": 1e-3, "betas": (0.9, 0.999), "decoupled_decay": 1e-2},
}
HOOKS = ("step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_pre", "load_post")


class State:
    """An attribute of an optimizer that lies with its parameters; not every kind has each."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def _parameters(self, optimizer: Any) -> Any:
        parameters, *others = optimizer._current()
        if self.name not in parameters.names:
            raise AttributeError(
                f"{type(optimizer).__name__} of {parameters.kind} has no {self.name!r}, only "
                f"{', '.join(parameters.names)}"
            )
        if others:
            raise AttributeError(f"{self.name} is of one group; of several, see state[p]")
        return parameters

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        if optimizer is None:
            return self
        return getattr(self._parameters(optimizer), self.name)

    def __set__(self, optimizer: Any, value: Any) -> None:
        refuse_state(self.name)
        setattr(self._parameters(optimizer), self.name, value)


class Option:
    """A hyperparameter as an attribute: the first group's; to set it sets that of all groups."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        return self if optimizer is None else optimizer.param_groups[0][self.name]

    def __set__(self, optimizer: Any, value: Any) -> None:
        for group in optimizer.param_groups:
            group[self.name] = value


class Group(dict[str, Any]):
    """A group of parameters with its options, which a compiled function may not change."""

    def __setitem__(self, name: str, value: Any) -> None:
        refuse_option(name)
        super().__setitem__(name, value)

    def update(self, *args: Any, **named: Any) -> None:
        for name, value in dict(*args, **named).items():
            self[name] = value

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (dict(self),)


def refuse_option(name: str) -> None:
    """Refuse to set an option while a program is recorded: its runs read what it is then."""
    if name == "params":  # others are noticed
        return
    _core.refuse_change(
        f"{name} of an optimizer is set",
        "set it before the call, in a callback of fit(), or by a scheduler whose step() comes last",
    )


def refuse_state(name: str) -> None:
    """Refuse to set state while a program is recorded."""
    _core.refuse_change(f"{name} of an optimizer is set", "set it before the call")


def tensor_or(check: Callable[[str, Any], float]) -> Callable[[str, Any], Any]:
    """Return a check of a hyperparameter that may be a Tensor of one element, and stays it."""

    def checked(name: str, x: Any) -> Any:
        if not isinstance(x, _core.TensorBase):
            return check(name, x)
        if x.numel() != 1:  # type: ignore[attr-defined]
            raise ValueError(f"a Tensor {name} has one element, not shape {tuple(x.shape)}")
        check(name, x.item())
        return x

    return checked


def kept(name: str, x: Any) -> Any:
    """Return an option that is taken as it is."""
    return x


class Optimizer:
    """What all optimizers share: groups of parameters, what is remembered of each, hooks.

    Args:
        params: Values or Tensors, such as `model.parameters()`: leaves, all of one kind; Tensors
            of floats. Or pairs of a name and one of these, as `named_parameters()` gives; or
            dicts, each a group: "params", and options that are not those of `defaults`.
        defaults: the options of a group that gives none.

    Attributes:
        param_groups: a list of dicts, each with "params" and options, which may be changed
            between steps.
        state: by parameter, a dict of what a rule remembers; empty before its first step.
        defaults: the options of a group that gives none.

    Raises:
        TypeError: something in params is neither, of another kind than the first, or of a type
            that is not trained.
        ValueError: there are no parameters, one stands twice or is no leaf; a hyperparameter is
            out of range.
    """

    # How each option is read, by its name.
    checks: ClassVar[Mapping[str, Callable[[str, Any], Any]]] = {"lr": tensor_or(not_negative)}
    is_shaped = True  # whether every Tensor of state but single numbers has its parameter's shape
    numbers: tuple[str, ...] = ("step",)  # state that is a number, and kept in float64
    _arms: list[Any]
    lr = Option("The learning rate of the first group; to set it sets that of all.")

    def __init__(self, params: Iterable[Any], defaults: Mapping[str, Any]) -> None:
        self.defaults = dict(defaults)
        groups = groups_of(params)
        self._begin(class_of(groups))
        for group in groups:
            self.add_param_group(group)

    def _begin(self, arm_type: type[Any]) -> None:
        """Have no parameters, and no state."""
        self.param_groups: list[dict[str, Any]] = []
        self._arms, self._arm_type = [], arm_type
        self._born = _core.recording_number()
        self._hooks = {name: Hooks() for name in HOOKS}
        self.state: Any = defaultdict(dict)

    def _begin_state(self, arm: Any) -> None:
        """Give the parameters of a group the state of a rule that has made no step."""

    def _check_kind(self, arm: Any, group: Mapping[str, Any]) -> None:
        """Refuse parameters of a kind, or options, that the rule is not for."""

    def _refuse_values(self, arm: Any) -> None:
        """Refuse parameters that are Values, which few rules are for."""
        if arm.kind == "Values":
            name = type(self).__name__
            raise TypeError(f"{name} is for Tensors; for Values there are SGD, Adam and AdamW")

    # ---- groups

    @property
    def params(self) -> Any:
        """The parameters of all groups, a tuple; others take the place of those of one group."""
        return tuple(p for group in self.param_groups for p in group["params"])

    @params.setter
    def params(self, params: Iterable[Any]) -> None:
        if len(self.param_groups) > 1:
            raise ValueError("there are several groups of parameters; set those of param_groups[i]")
        arm = self._new_arm(params)
        self.param_groups[0]["params"], self._arms[0] = ParameterList(arm), arm

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take more parameters, with options of their own.

        Args:
            param_group: a dict of "params" and options; for those not given, defaults hold.
        """
        group = {**self.defaults, **with_list(param_group)}
        given: Any = group["params"]
        names = None
        if any(isinstance(x, tuple) for x in given):
            if not all(isinstance(x, tuple) and len(x) == 2 for x in given):
                raise ValueError("either all parameters are pairs (name, parameter), or none is")
            names, given = [name for name, _ in given], [p for _, p in given]
        arm = self._new_arm(given)
        if self.param_groups and ("param_names" in self.param_groups[0]) != (names is not None):
            raise ValueError("either the parameters of all groups have names, or none has")
        known = {id(p) for p in self.params}
        if any(id(p) in known for p in given):
            raise ValueError("a parameter is in more than one group")
        self._read_options(arm, group)
        group["params"] = ParameterList(arm)
        if names is not None:
            group["param_names"] = names
        self._arms.append(arm)
        self.param_groups.append(Group(group))

    def _new_arm(self, params: Iterable[Any]) -> Any:
        """Return parameters of a group, which have no state, as an object that holds them."""
        arm = self._arm_type(tuple(params))
        self._begin_state(arm)
        return arm

    def _read_options(self, arm: Any, group: dict[str, Any]) -> None:
        """Check the options of a group, and write numbers as floats."""
        for name, check in self.checks.items():
            if name in group:
                group[name] = check(name, group[name])
        self._check_kind(arm, group)

    def _current(self) -> list[Any]:
        """Return the parameters of each group as objects, which follow `param_groups`."""
        arms = [getattr(group["params"], "arm", None) for group in self.param_groups]
        if None in arms:
            self._follow()
            return self._arms
        self._arms = arms
        return arms

    def _arm_of(self, group: dict[str, Any]) -> Any:
        """Return the parameters of a group as an object, after they were changed."""
        self._current()
        return group["params"].arm

    def _follow(self) -> None:
        """Take notice of parameters that were changed from outside; state stays with them."""
        known = {id(p): arm.state_of(i) for arm in self._arms for i, p in enumerate(arm.params)}
        arms = []
        for group in self.param_groups:
            arm = self._new_arm(group["params"])
            arm.take_states([known.get(id(p), {}) for p in arm.params])
            arms.append(arm)
        for arm, group in zip(arms, self.param_groups, strict=True):
            group["params"] = ParameterList(arm)
        self._arms = arms

    # ---- steps

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter once; a Tensor without a gradient stays as it is.

        Args:
            closure: called before, to compute gradients.

        Returns:
            What closure returns.

        Raises:
            OutOfMemoryError: the optimizer's own tensors do not fit. Nothing has changed.
            ZeroDivisionError, OverflowError: of Values, as Python does. Nothing has changed; of
                several groups, those before have made their step.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of Values to 0.0; take those of Tensors away, or set them to 0."""
        for group in self.param_groups:
            arm = getattr(group["params"], "arm", None) or self._arm_of(group)
            arm.zero_grad(set_to_none)

    # ---- hooks

    def _register(self, name: str, hook: Callable[..., Any], prepend: bool = False) -> Any:
        check_hook(hook)
        handle = self._hooks[name].add(hook, prepend)
        if name.startswith("step"):  # only now does a step look for hooks
            self.__dict__.setdefault("step", self._step_with_hooks)
        return handle

    def _step_with_hooks(self, *args: Any, **named: Any) -> Any:
        _core.refuse_recording("hooks of a step")
        for hook in list(self._hooks["step_pre"].values()):
            found = hook(self, args, named)
            if found is not None:
                if not (isinstance(found, tuple) and len(found) == 2):
                    raise RuntimeError(
                        f"a pre-hook returns None or (arguments, named arguments), not {found!r}"
                    )
                args, named = found
        result = type(self).step(self, *args, **named)
        for hook in list(self._hooks["step_post"].values()):
            hook(self, args, named)
        return result

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Any:
        """Have hook(optimizer, args, kwargs) called before each step; it may return others."""
        return self._register("step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Any:
        """Have hook(optimizer, args, kwargs) called after each step."""
        return self._register("step_post", hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """Have hook(optimizer) called before each state_dict()."""
        return self._register("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """Have hook(optimizer, state_dict) called after state_dict(); it may return another."""
        return self._register("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> Any:
        """Have hook(optimizer, state_dict) called before a load; it may return another."""
        return self._register("load_pre", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> Any:
        """Have hook(optimizer) called after each load_state_dict()."""
        return self._register("load_post", hook, prepend)

    # ---- saving

    def state_dict(self) -> dict[str, Any]:
        """Return options and state in plain containers, with parameters by their numbers.

        Returns:
            {"state": {number: {name: Tensor or number}}, "param_groups": [options, of which
            "params" are numbers]}, as PyTorch. Tensors are those of the optimizer, no copies.
        """
        for hook in list(self._hooks["state_dict_pre"].values()):
            hook(self)
        self._current()
        number = {id(p): i for i, p in enumerate(self.params)}
        groups = [
            {
                **{name: x for name, x in group.items() if name != "params"},
                "params": [number[id(p)] for p in group["params"]],
            }
            for group in self.param_groups
        ]
        state = {number.get(id(p), p): dict(s) for p, s in self._states() if s}
        saved: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in list(self._hooks["state_dict_post"].values()):
            found = hook(self, saved)
            saved = saved if found is None else found
        return saved

    def _states(self) -> Iterable[tuple[Any, Any]]:
        """Return pairs of a parameter and its state, which may be empty."""
        return self.state.items()  # type: ignore[no-any-return]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take options and state from what `state_dict` returned, here or in PyTorch.

        Args:
            state_dict: its Tensors, which may be NumPy's arrays, are copied.

        Raises:
            ValueError: it has other numbers of groups or of parameters, or state of another shape.
                Nothing has changed.
        """
        refuse_state("state")
        saved = dict(state_dict)
        for hook in list(self._hooks["load_pre"].values()):
            found = hook(self, saved)
            saved = saved if found is None else found
        arms = self._current()
        groups: list[dict[str, Any]] = []
        number: dict[Any, Any] = {}
        check_sizes(self.param_groups, saved["param_groups"])
        for arm, old, new in zip(arms, self.param_groups, saved["param_groups"], strict=True):
            number.update(zip(new["params"], old["params"], strict=True))
            group = {**self.defaults, **new, "params": old["params"]}
            group.update({name: old[name] for name in ("param_names",) if name in old})
            if group.get("capturable"):  # of CUDA's graphs
                group["capturable"] = False
            self._read_options(arm, group)
            groups.append(Group(group))
        state: dict[Any, Any] = {}
        for key, found in saved["state"].items():
            p = number.get(key, key)
            state[p] = self._read_state(p, found) if key in number else found
        self._take_state(arms, state)
        self.param_groups = groups
        for hook in list(self._hooks["load_post"].values()):
            hook(self)

    def _read_state(self, p: Any, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of a parameter with copies of its arrays, of its type."""
        return {
            name: as_number(x, p) if name in self.numbers else converted(name, x, p, self.is_shaped)
            for name, x in found.items()
        }

    def _take_state(self, arms: list[Any], state: Mapping[Any, Any]) -> None:
        """Have the state that was loaded."""
        self.state = defaultdict(dict, state)

    # ---- copies

    def __getstate__(self) -> dict[str, Any]:
        self._current()
        state = {name: x for name, x in vars(self).items() if not name.startswith("_")}
        state.pop("step", None)  # with hooks, which a copy has none of
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(class_of(state["param_groups"]))
        for name, x in state.items():
            setattr(self, name, x)
        self.param_groups = [Group(group) for group in self.param_groups]
        for group in self.param_groups:
            arm = self._new_arm(group["params"])
            group["params"] = ParameterList(arm)
            self._arms.append(arm)

    def __repr__(self) -> str:
        groups = self.param_groups
        count = f"{len(self.params)} parameters"
        if len(groups) > 1:
            count += f" in {len(groups)} groups"
        rates = ", ".join(repr(group["lr"]) for group in groups if "lr" in group)
        return f"{type(self).__name__}({count}{', lr=' + rates if rates else ''})"


def groups_of(params: Iterable[Any]) -> list[dict[str, Any]]:
    """Return parameters, or groups of them, as a list of groups."""
    given = as_list(params)
    if not given:
        raise ValueError("an optimizer needs at least one parameter")
    if not isinstance(given[0], dict):
        return [{"params": given}]
    return [with_list(group) for group in given]


def with_list(group: Any) -> dict[str, Any]:
    """Return a group whose parameters are a list."""
    if not isinstance(group, dict):
        raise TypeError(f"a group of parameters is a dict, not {type(group).__name__}")
    if "params" not in group:
        raise ValueError(f"a group of parameters has 'params', not only {list(group)}")
    params = group["params"]
    alone = isinstance(params, (_core.ValueBase, _core.TensorBase))
    return {**group, "params": [params] if alone else as_list(params)}


def check_sizes(groups: list[dict[str, Any]], saved: list[dict[str, Any]]) -> None:
    """Refuse saved groups that are not as many, or not as large."""
    if len(groups) != len(saved):
        raise ValueError(
            f"the state is of {len(saved)} groups of parameters, and there are {len(groups)}"
        )
    for i, (group, other) in enumerate(zip(groups, saved, strict=True)):
        if len(group["params"]) != len(other["params"]):
            raise ValueError(
                f"the state of group {i} is of {len(other['params'])} parameters, and there are "
                f"{len(group['params'])}"
            )
