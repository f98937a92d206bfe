"""The graph as `grad_fn` shows it."""

from __future__ import annotations

from typing import Any

from .. import _core
from .explain import NAMES
from .ops import OPS, TensorBase


class GradFn:
    """The operation that a Tensor is the result of.

    Attributes:
        next_functions: for each operand that requires a gradient, its own GradFn and 0.
        variable: the leaf that an AccumulateGrad stands for.
    """

    def __init__(self, node: Any) -> None:
        self._node = node

    def name(self) -> str:
        """Return the name, in PyTorch's manner."""
        info = self._node._info()
        if not info[5]:
            return "AccumulateGrad"
        name = NAMES[info[4]]
        if name == "output":
            hub = TensorBase._adopt(_core.operand_of(self._node._handle, 0))
            return f"{hub._attached()._function.__name__}Backward"
        name = "pow" if name == "pow_number" else name
        return "".join(part.capitalize() for part in name.split("_")) + "Backward0"

    @property
    def variable(self) -> Any:
        return self._node

    @property
    def next_functions(self) -> tuple[tuple[GradFn, int], ...]:
        node = self._node
        if node._info()[4] == OPS["output"]:
            node = TensorBase._adopt(_core.operand_of(node._handle, 0))
        count = node._info()[5]
        operands = [TensorBase._adopt(_core.operand_of(node._handle, i)) for i in range(count)]
        return tuple((GradFn(x), 0) for x in operands if x.requires_grad)

    def __repr__(self) -> str:
        return f"<{self.name()}>"
