"""PyTorch's functions of its top level that stand in `functional` with other arguments.

`torch.dropout(x, p, train)` is `functional.dropout(x, p, training=train)`, and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import dropping, normalizing, tables

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = [
    "alpha_dropout", "batch_norm", "dropout", "dropout_", "embedding", "feature_alpha_dropout",
    "instance_norm",
]  # fmt: skip


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Return `functional.dropout`."""
    return dropping.dropout(input, p, train)


def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """Overwrite a tensor with `functional.dropout` of it."""
    return dropping.dropout(input, p, train, inplace=True)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Return `functional.alpha_dropout`."""
    return dropping.alpha_dropout(input, p, train)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Return `functional.feature_alpha_dropout`."""
    return dropping.feature_alpha_dropout(input, p, train)


def batch_norm(
    input: Tensor,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    """Return `functional.batch_norm`."""
    return normalizing.batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


def instance_norm(
    input: Tensor,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:
    """Return `functional.instance_norm`."""
    return normalizing.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def embedding(
    weight: Tensor,
    indices: Any,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return `functional.embedding`; -1 for padding_idx means none."""
    padding = None if padding_idx == -1 else padding_idx
    return tables.embedding(
        indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse
    )
