"""Weights by direction and length, and of spectral norm 1."""

from __future__ import annotations

from typing import Any

from ..._core import no_grad
from ...tensors.creation import randn
from ..module import Module
from .parametrize import is_parametrized, register_parametrization, remove_parametrizations

__all__ = ["spectral_norm", "weight_norm"]


class WeightNorm(Module):
    """g * v / norm(v), the norm over all axes but one (Salimans and Kingma 2016)."""

    def __init__(self, dim: int | None) -> None:
        self.dim = -1 if dim is None else dim

    def norm(self, x: Any) -> Any:
        """Return the norms."""
        if self.dim == -1:
            return (x * x).sum().sqrt()
        axes = [axis for axis in range(x.ndim) if axis != self.dim % x.ndim]
        return (x * x).sum(axes, keepdim=True).sqrt() if axes else x.abs()

    def forward(self, g: Any, v: Any) -> Any:
        """Return the weight."""
        return v * (g / self.norm(v))

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        """Return g and v of a weight."""
        return self.norm(weight.detach()), weight


class SpectralNorm(Module):
    """A matrix divided by its largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    That is estimated by power iteration, which goes on with every use while training.
    """

    def __init__(self, weight: Any, steps: int, eps: float, dim: int) -> None:
        self.steps, self.eps, self.dim = steps, eps, dim % weight.ndim
        if weight.ndim > 1:
            matrix = self.matrix(weight.detach())
            self.register_buffer("_u", self.unit(randn(matrix.shape[0], dtype=weight.dtype)))
            self.register_buffer("_v", self.unit(randn(matrix.shape[1], dtype=weight.dtype)))
            self.iterate(matrix, 15)

    def unit(self, x: Any) -> Any:
        """Return a vector of length 1."""
        return x / (x * x).sum().sqrt().clamp_min(self.eps)

    def matrix(self, x: Any) -> Any:
        """Return a weight as a matrix, with a row for each item along the axis."""
        return x.movedim(self.dim, 0).flatten(1)

    @no_grad()
    def iterate(self, matrix: Any, steps: int) -> None:
        """Bring u and v nearer to the singular vectors."""
        matrix = matrix.detach()
        for _ in range(steps):
            self._u.copy_(self.unit(matrix @ self._v))
            self._v.copy_(self.unit(matrix.T @ self._u))

    def forward(self, weight: Any) -> Any:
        """Return the weight divided by its norm."""
        if weight.ndim == 1:
            return self.unit(weight)
        matrix = self.matrix(weight)
        if self.training:
            self.iterate(matrix, self.steps)
        return weight / (self._u.clone() @ (matrix @ self._v.clone()))

    def right_inverse(self, value: Any) -> Any:
        """Return the weight itself."""
        return value


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Have a weight computed of a length for each item along an axis, and a direction.

    Args:
        name: the parameter's; dim: the axis, None for one length of all.
    """
    return register_parametrization(module, name, WeightNorm(dim))


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Have a weight divided by its spectral norm.

    Args:
        name: the parameter's; n_power_iterations: how many there are at each use in training.
        eps: the least length divided by; dim: the axis of rows, 0, but 1 of ConvTranspose.
    """
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(
        module, name, SpectralNorm(getattr(module, name), n_power_iterations, eps, dim)
    )


def remove(module: Any, name: str = "weight") -> Any:
    """Let a weight be a Parameter again, with the value that is computed."""
    if not is_parametrized(module, name):
        raise ValueError(f"{name!r} of {type(module).__name__} has no norm to be removed")
    return remove_parametrizations(module, name)
