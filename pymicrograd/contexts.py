"""What Functions of Values and of Tensors share: the context, and a count."""

from __future__ import annotations

from .errors import GradientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Context", "results_of"]


class Context:
    """What a Function's forward leaves for its backward; any attribute may be set.

    Attributes:
        needs_input_grad: for each argument of forward, whether a gradient is wanted.
    """

    def __init__(self, function: Any, needs: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs
        self._function = function
        self._constant: set[int] = set()
        self._materialize = True

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say that no gradients flow through these outputs."""
        self._constant.update(id(x) for x in outputs)

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether backward gets zeros, or None, for an output without a gradient."""
        self._materialize = bool(value)


def results_of(context: Context, results: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a backward has returned, if there is something for each argument of forward."""
    count = len(context.needs_input_grad)
    if len(results) < count or any(x is not None for x in results[count:]):
        raise GradientError(
            f"{context._function.__name__}.backward returned {len(results)} gradients for "
            f"{count} arguments of forward"
        )
    return results
