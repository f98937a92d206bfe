"""Attention: averages of values, weighted by how well their keys fit a query."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..._core import noted
from ...errors import ArgumentError, ShapeError
from ...tensors.creation import ones
from ...tensors.dtypes import HALVES, bool_, float32
from ...tensors.functions import where
from ...tensors.joining import cat
from ...tensors.ops import cast
from .arguments import tensor_of
from .dropping import dropout
from .layers import linear

if TYPE_CHECKING:
    from ...tensors.tensor import Tensor

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def causal(rows: int, columns: int) -> Any:
    """Return (rows, columns) of bools: no column after the row."""
    return ones(rows, columns, dtype=bool_).tril()


def weights_of(scores: Any, mask: Any, keeps: bool = False) -> Any:
    """Return the softmax of masked scores; a row of which nothing is left is 0.

    keeps: the mask leaves something of each row. Else this is looked for, as it saves work, but
    not while a program is recorded, which is for all masks: the bits are the same.
    """
    if mask is None:
        return scores.softmax(-1)
    if mask.dtype is not bool_:
        scores = scores + mask
        mask = mask != -math.inf
    else:
        scores = where(mask, scores, -math.inf)
    if keeps:
        return scores.softmax(-1)
    some = mask.any(-1, keepdim=True)
    if noted() is None and bool(some.all()):
        return scores.softmax(-1)
    return where(some, where(some, scores, 0.0).softmax(-1), 0.0)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return softmax(query @ key.T * scale + mask) @ value (Vaswani et al., arXiv:1706.03762).

    Args:
        query: (..., L, E); key: (..., S, E); value: (..., S, Ev).
        attn_mask: broadcast to (..., L, S): bools, true where a key is seen, or what is added to
            the scores.
        dropout_p: the probability that a weight is dropped, also outside training.
        is_causal: row i sees the keys up to i; without attn_mask.
        scale: by default 1 / sqrt(E).
        enable_gqa: repeat the heads of keys and values, axis -3, to those of the query.

    Returns:
        (..., L, Ev). Of float16 and bfloat16 it is computed in float32, and rounded once.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: both attn_mask and is_causal are given.
    """
    call = "scaled_dot_product_attention"
    q, k = tensor_of(call, query, "query"), tensor_of(call, key, "key")
    v = tensor_of(call, value, "value")
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(f"{call}: shapes {q.shape}, {k.shape} and {v.shape} do not fit")
    if q.dtype in HALVES and q.dtype is k.dtype is v.dtype:  # e to the power of rounded scores
        options = attn_mask, dropout_p, is_causal, scale, enable_gqa
        wide = cast(q, float32), cast(k, float32), cast(v, float32)
        return cast(scaled_dot_product_attention(*wide, *options), q.dtype)
    if enable_gqa:
        k, v = repeated(k, q.shape[-3]), repeated(v, q.shape[-3])
    if is_causal:
        if attn_mask is not None:
            raise ArgumentError(f"{call}: is_causal and attn_mask exclude each other")
        attn_mask = causal(q.shape[-2], k.shape[-2])
    factor = 1.0 / math.sqrt(q.shape[-1]) if scale is None else scale
    keeps = is_causal and k.shape[-2] > 0  # row i sees key 0
    weights = weights_of(q @ k.mT * factor, attn_mask, keeps)
    return dropout(weights, dropout_p) @ v


def repeated(x: Any, heads: int) -> Any:
    """Return x with each of its heads, axis -3, repeated so that there are so many."""
    own = x.shape[-3]
    if own == heads:
        return x
    if heads % own:
        raise ShapeError(f"enable_gqa: {own} heads of keys do not divide {heads} of queries")
    shape = (*x.shape[:-2], heads // own, *x.shape[-2:])
    return x.unsqueeze(-3).expand(shape).reshape(*x.shape[:-3], heads, *x.shape[-2:])


def projections(
    inputs: tuple[Any, Any, Any], weights: tuple[Any, Any, Any], bias: Any, size: int
) -> list[Any]:
    """Return queries, keys and values as they are projected."""
    parts = [None] * 3 if bias is None else list(bias.split(size))
    return [linear(x, w, b) for x, w, b in zip(inputs, weights, parts, strict=True)]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return what `nn.MultiheadAttention` does, and the attention's weights.

    Args:
        query: (L, N, E), or (L, E); key, value: (S, N, ...), or (S, ...).
        embed_dim_to_check: E; num_heads: which divide it.
        in_proj_weight: (3 E, E), or with use_separate_proj_weight q_proj_weight, k_proj_weight
            and v_proj_weight; in_proj_bias: (3 E), or None.
        bias_k, bias_v: (1, 1, E), one more key and value, or None.
        add_zero_attn: one more key and value of zeros.
        dropout_p, training: what is dropped of the weights.
        out_proj_weight, out_proj_bias: of the result's projection.
        key_padding_mask: (N, S): bools, true where a key is not seen, or what is added.
        need_weights: return weights; average_attn_weights: their mean over the heads.
        attn_mask: (L, S) or (N * num_heads, L, S): as key_padding_mask, for each query.
        is_causal: a hint that attn_mask is the causal one, which has to be there.

    Returns:
        (L, N, E), and weights (N, L, S), or (N, num_heads, L, S), or None.

    Raises:
        ShapeError: the shapes do not fit.
    """
    call = "multi_head_attention_forward"
    batched = tensor_of(call, query, "query").ndim == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, count, size = query.shape
    if size != embed_dim_to_check or size % num_heads:
        raise ShapeError(
            f"{call}: was expecting embedding dimension of {embed_dim_to_check}, divisible by "
            f"{num_heads} heads, but got {size}"
        )
    if key.shape[:2] != value.shape[:2]:
        raise ShapeError(f"{call}: key of shape {key.shape} and value of {value.shape} do not fit")
    if is_causal and attn_mask is None:
        raise ArgumentError(f"{call}: is_causal is a hint, which goes with attn_mask")
    weights = (
        (q_proj_weight, k_proj_weight, v_proj_weight)
        if use_separate_proj_weight
        else tuple(in_proj_weight.chunk(3))
    )
    q, k, v = projections((query, key, value), weights, in_proj_bias, size)
    if bias_k is not None:
        k = cat([k, bias_k.expand(1, count, size)])
        v = cat([v, bias_v.expand(1, count, size)])
    q, k, v = (
        x.reshape(x.shape[0], count, num_heads, size // num_heads).permute(1, 2, 0, 3)
        for x in (q, k, v)
    )
    if add_zero_attn:
        k, v = (x.pad((0, 0, 0, 1)) for x in (k, v))
    mask = joined(attn_mask, key_padding_mask, (count, num_heads, length, key.shape[0]), q.dtype)
    more = k.shape[2] - key.shape[0]
    if mask is not None and more:
        mask = mask.pad((0, more))
    scores = q @ k.mT * (1.0 / math.sqrt(size // num_heads))
    attention = scores.softmax(-1) if mask is None else (scores + mask).softmax(-1)
    attention = dropout(attention, dropout_p, training)
    found = (attention @ v).permute(2, 0, 1, 3).reshape(length, count, size)
    found = linear(found, out_proj_weight, out_proj_bias)
    seen = attention.mean(1) if average_attn_weights else attention
    if not batched:
        found, seen = found.squeeze(1), seen.squeeze(0)
    return found, seen if need_weights else None


def as_added(mask: Any, dtype: Any) -> Any:
    """Return a mask as what is added to scores: bools are true where nothing is seen."""
    return where(mask, -math.inf, as_zero(dtype)) if mask.dtype is bool_ else mask


def as_zero(dtype: Any) -> Any:
    """Return 0 of a dtype."""
    return ones((), dtype=dtype) * 0


def joined(attention: Any, padding: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return two masks as one that is broadcast to (N, heads, L, S); None for none."""
    count, heads, length, keys = shape
    found: Any = None
    if attention is not None:
        found = as_added(attention, dtype)
        if found.ndim == 3:
            found = found.reshape(count, heads, length, keys)
        elif found.shape != (length, keys):
            raise ShapeError(f"attn_mask has shape {attention.shape}, not {(length, keys)}")
    if padding is not None:
        if padding.shape != (count, keys):
            raise ShapeError(f"key_padding_mask has shape {padding.shape}, not {(count, keys)}")
        hidden = as_added(padding, dtype).reshape(count, 1, 1, keys)
        found = hidden if found is None else found + hidden
    return found
