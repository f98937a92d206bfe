"""Distances and norms of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...tensors.arrangement import broadcast_tensors
from ...tensors.norms import pdist, vector_norm
from .arguments import tensor_of

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


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
    found: Tensor = vector_norm(a - b + eps, p, -1, keepdim)
    return found


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) along an axis.

    Args:
        x1, x2: of shapes that broadcast; dim: the axis; eps: what keeps the divisor above 0.
    """
    tensor_of("cosine_similarity", x1, "x1")
    tensor_of("cosine_similarity", x2, "x2")
    a, b = (x / vector_norm(x, 2, dim, True).clamp_min(eps) for x in broadcast_tensors(x1, x2))
    found: Tensor = (a * b).sum(dim)
    return found


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Return input / max(its p-norm, eps) along an axis; the shape stays."""
    x = tensor_of("normalize", input)
    found: Tensor = x / vector_norm(x, p, dim, True).clamp_min(eps)
    return found
