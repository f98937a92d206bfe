"""Distances and norms of rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...tensors.functions import where
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["cosine_similarity", "normalize", "pairwise_distance"]


def norm(x: Any, p: float, dim: Any, keepdim: bool = False) -> Any:
    """Return (sum of abs(x)**p)**(1 / p) along an axis; of rows of zeros the gradient is 0."""
    size = x.abs()
    if p == math.inf:
        return size.amax(dim, keepdim)
    if p == -math.inf:
        return size.amin(dim, keepdim)
    if p == 0:
        return (size != 0).to(x.dtype).sum(dim, keepdim)
    if p == 1:
        return size.sum(dim, keepdim)
    total = (x * x if p == 2 else size**p).sum(dim, keepdim)
    there = total.detach() != 0
    root = where(there, total, 1.0)
    return where(there, root.sqrt() if p == 2 else root ** (1 / p), 0.0)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Return the p-norm of x1 - x2 + eps along the last axis.

    Args:
        x1, x2: (N, D) or (D), or what broadcasts.
        p: of the norm; eps: what keeps it above 0; keepdim: leave the axis, with size 1.
    """
    a = tensor_of("pairwise_distance", x1, "x1")
    b = tensor_of("pairwise_distance", x2, "x2")
    found: Tensor = norm(a - b + eps, p, -1, keepdim)
    return found


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) along an axis.

    Args:
        x1, x2: of shapes that broadcast; dim: the axis; eps: what keeps the divisor above 0.
    """
    a = tensor_of("cosine_similarity", x1, "x1")
    b = tensor_of("cosine_similarity", x2, "x2")
    a, b = a + b.detach() * 0, b + a.detach() * 0
    found: Tensor = (
        a / norm(a, 2, dim, True).clamp_min(eps) * (b / norm(b, 2, dim, True).clamp_min(eps))
    ).sum(dim)
    return found


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Return input / max(its p-norm, eps) along an axis; the shape stays."""
    x = tensor_of("normalize", input)
    found: Tensor = x / norm(x, p, dim, True).clamp_min(eps)
    return found
