"""A softmax over many classes, of which the rare ones share small products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .._core import require
from ..errors import ArgumentError, DTypeError, ShapeError, TensorIndexError
from ..tensors.conversion import as_tensor
from ..tensors.joining import cat
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class ASMoutput(NamedTuple):
    """The result of `AdaptiveLogSoftmaxWithLoss`: log-probabilities (N) or (), and loss ()."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probabilities of classes that are sorted by falling frequency, and their loss.

    Efficient softmax of Grave et al. 2017 (arXiv:1609.04309). Frequent classes are in the head,
    a product with all features; each cluster of rarer ones has one output there, and behind it
    two products through fewer features, which is made only of rows whose class is in the cluster.

    Args:
        in_features: size of the last axis of the input.
        n_classes: number of classes.
        cutoffs: rising numbers from 1 to n_classes - 1: where the clusters begin.
        div_value: cluster i has in_features // div_value ** (i + 1) features.
        head_bias: whether the head has a bias.
        dtype: of the parameters, float32 by default.

    Attributes:
        head: a Linear of cutoffs[0] + n_clusters outputs.
        tail: for each cluster a Sequential of two Linears.

    Raises:
        ValueError: cutoffs are not so.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        cutoffs = list(cutoffs)
        if not cutoffs or any(
            isinstance(c, bool) or not isinstance(c, int) or not a < c < n_classes
            for a, c in zip([0, *cutoffs], cutoffs, strict=False)
        ):
            raise ArgumentError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs are rising integers from 1 to n_classes - 1 ="
                f" {n_classes - 1}, not {cutoffs}"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        like = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **like)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            features = int(in_features // div_value ** (i + 1))
            classes = self.cutoffs[i + 1] - self.cutoffs[i]
            first = Linear(in_features, features, bias=False, **like)
            self.tail.append(Sequential(first, Linear(features, classes, bias=False, **like)))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for linear in cluster:
                linear.reset_parameters()

    def _rows(self, input: Any, axes: tuple[int, ...]) -> Any:
        input = as_tensor(input)
        if input.ndim not in axes or input.shape[-1] != self.in_features:
            rows = "(N, in_features)" + " or (in_features)" * (1 in axes)
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: input is {rows} with in_features={self.in_features},"
                f" not {input.shape}"
            )
        return input

    def forward(self, input: Any, target: Any) -> ASMoutput:
        """Return the log-probabilities of the targets, and the mean of their negatives.

        Args:
            input: (N, in_features) or (in_features).
            target: classes, int64: (N) or ().

        Raises:
            ShapeError: the shapes are not so.
            TensorIndexError: a class is not from 0 to n_classes - 1.
        """
        input, target = self._rows(input, (1, 2)), as_tensor(target)
        if target.shape != input.shape[:-1]:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: target of shape {target.shape} does not go with"
                f" input of shape {input.shape}: {tuple(input.shape[:-1])} is needed"
            )
        if target.is_floating_point() or target.dtype.name == "bool":
            raise DTypeError(
                f"AdaptiveLogSoftmaxWithLoss: targets are classes, not {target.dtype.name}"
            )
        rows, classes = input.reshape(-1, self.in_features), target.reshape(-1)
        inside = (classes >= 0).logical_and(classes < self.n_classes)
        text = f"AdaptiveLogSoftmaxWithLoss: target {{}} is not from 0 to {self.n_classes - 1}"
        require(inside, TensorIndexError, text, classes)
        output = self._of_targets(rows, classes)
        return ASMoutput(output.reshape(target.shape), output.mean().neg())

    def _of_targets(self, rows: Any, classes: Any) -> Any:
        """Return the log-probability of each row's class."""
        cutoffs = as_tensor(self.cutoffs[:-1]).to(classes.dtype)
        cluster = (classes.unsqueeze(1) >= cutoffs).sum(1)
        in_head = classes.where(cluster == 0, cluster + (self.shortlist_size - 1))
        output = self.head(rows).log_softmax(1).gather(1, in_head.unsqueeze(1)).squeeze(1)
        for i, (first, tail) in enumerate(zip(self.cutoffs, self.tail, strict=False)):
            where = (cluster == i + 1).nonzero().squeeze(1)
            if where.numel():
                within = (classes.index_select(0, where) - first).unsqueeze(1)
                scores = tail(rows.index_select(0, where)).log_softmax(1)
                output = output.index_add(0, where, scores.gather(1, within).squeeze(1))
        return output

    def log_prob(self, input: Any) -> Any:
        """Return the log-probabilities (N, n_classes) of all classes for input (N, in_features)."""
        input = self._rows(input, (2,))
        head = self.head(input).log_softmax(1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail, self.shortlist_size):
            parts.append(tail(input).log_softmax(1) + head[:, i : i + 1])
        return cat(parts, 1)

    def predict(self, input: Any) -> Any:
        """Return the most probable classes, int64 (N), of input (N, in_features)."""
        return self.log_prob(input).argmax(1)
