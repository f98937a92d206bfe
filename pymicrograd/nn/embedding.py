"""Tables of rows that are looked up by number."""

from __future__ import annotations

from typing import Any

from .._core import no_grad
from ..errors import ArgumentError
from ..tensors.conversion import as_tensor
from ..tensors.creation import empty
from . import functional, init
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class Table(Module):
    """A table of rows, at first of the normal distribution."""

    weight: Any
    padding_idx: int | None

    def _make(self, rows: int, features: int, padding: int | None, given: Any, kind: Any) -> None:
        self.num_embeddings, self.embedding_dim = rows, features
        if padding is not None and not -rows <= padding < rows:
            raise ArgumentError("Padding_idx must be within num_embeddings")
        self.padding_idx = None if padding is None else padding % rows
        if given is not None:
            if tuple(given.shape) != (rows, features):
                raise ArgumentError(
                    "Shape of weight does not match num_embeddings and embedding_dim"
                )
            self.weight = Parameter(given)
            return
        self.weight = Parameter(empty(rows, features, dtype=kind))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew; the padding's row is 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0


class Embedding(Table):
    """Rows of a table by their numbers.

    Args:
        num_embeddings, embedding_dim: how many rows, of how many numbers.
        padding_idx: a row that is 0 and not trained.
        max_norm, norm_type, scale_grad_by_freq, sparse: of `functional.embedding`.
        dtype: of the table.

    Attributes:
        weight: (num_embeddings, embedding_dim), at first of the normal distribution.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self._make(num_embeddings, embedding_dim, padding_idx, _weight, dtype)
        self.weight.requires_grad = not _freeze

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """Return a layer with a table that exists; freeze: do not train it."""
        table = as_tensor(embeddings)
        rows, features = table.shape
        options = padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        return cls(rows, features, *options, _weight=table, _freeze=freeze)

    def forward(self, input: Any) -> Any:
        """Return (*input.shape, embedding_dim) of numbers of rows."""
        return functional.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
        )

    def extra_repr(self) -> str:
        """Return the sizes, and options that differ from the defaults."""
        return f"{self.num_embeddings}, {self.embedding_dim}" + shown(self)


def shown(table: Any) -> str:
    """Return options that differ from the defaults."""
    text = "" if table.padding_idx is None else f", padding_idx={table.padding_idx}"
    text += "" if table.max_norm is None else f", max_norm={table.max_norm}"
    text += "" if table.norm_type == 2 else f", norm_type={table.norm_type}"
    text += ", scale_grad_by_freq=True" * bool(table.scale_grad_by_freq)
    return text + ", sparse=True" * bool(table.sparse)


class EmbeddingBag(Table):
    """Sums, means or maxima of rows of a table, bag by bag.

    Args:
        num_embeddings, embedding_dim: how many rows, of how many numbers.
        mode: "mean", "sum" or "max".
        max_norm, norm_type, scale_grad_by_freq, sparse, include_last_offset, padding_idx: of
            `functional.embedding_bag`.
        dtype: of the table.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.max_norm, self.norm_type, self.mode = max_norm, norm_type, mode
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.include_last_offset = include_last_offset
        self._make(num_embeddings, embedding_dim, padding_idx, _weight, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """Return a layer with a table that exists; freeze: do not train it."""
        table = as_tensor(embeddings)
        options = max_norm, norm_type, scale_grad_by_freq, mode, sparse
        rows, features = table.shape
        made = cls(rows, features, *options, table, include_last_offset, padding_idx)
        made.weight.requires_grad = not freeze
        return made

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """Return (bags, embedding_dim)."""
        return functional.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        """Return the sizes, and options that differ from the defaults."""
        return f"{self.num_embeddings}, {self.embedding_dim}{shown(self)}, mode={self.mode!r}"
