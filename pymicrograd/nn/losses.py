"""Losses as modules; what each computes says the function of `functional` that it names.

`CrossEntropyLoss` and `MSELoss` take Values as well, where their function does.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .applied import Applied
from .functional.former import reduction_of

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CosineSimilarity", "CrossEntropyLoss",
    "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss",
    "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss",
    "NLLLoss", "PairwiseDistance", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss",
    "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]  # fmt: skip

# PyTorch's former names of reductions, where its constructors take them.
FORMER = {"size_average": None, "reduce": None}


class Loss(Applied):
    """A loss: `reduction` is "mean", "sum" or "none"."""

    reduction: str

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        average, reduce = (vars(self).pop(name, None) for name in FORMER)
        self.reduction = reduction_of(average, reduce, self.reduction)

    def _set_option(self, name: str, value: Any) -> None:
        if name in ("weight", "pos_weight") and value is not None:
            self.register_buffer(name, value)
        else:
            super()._set_option(name, value)

    def _chosen(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.options if name not in FORMER}

    def extra_repr(self) -> str:
        """Return nothing, as PyTorch's losses."""
        return ""


class MSELoss(Loss):
    """The mean of squared differences; of Tensors or Values."""

    function, options = "mse_loss", {**FORMER, "reduction": "mean"}


class L1Loss(Loss):
    """The mean of absolute differences."""

    function, options = "l1_loss", {**FORMER, "reduction": "mean"}


class SmoothL1Loss(Loss):
    """Squares near 0, absolute differences from beta on."""

    function, options = "smooth_l1_loss", {**FORMER, "reduction": "mean", "beta": 1.0}


class HuberLoss(Loss):
    """Squares near 0, absolute differences from delta on."""

    function, options = "huber_loss", {"reduction": "mean", "delta": 1.0}


class CrossEntropyLoss(Loss):
    """-log(softmax(logits)[target]); of Tensors or Values."""

    function = "cross_entropy"
    options: ClassVar[dict[str, Any]] = {
        "weight": None, "size_average": None, "ignore_index": -100, "reduce": None,
        "reduction": "mean", "label_smoothing": 0.0,
    }  # fmt: skip

    def _chosen(self) -> dict[str, Any]:
        chosen = super()._chosen()
        if self.weight is None:
            del chosen["weight"]  # which Values do not have
        return chosen


class NLLLoss(Loss):
    """-input[target], input being logarithms of probabilities."""

    function = "nll_loss"
    options: ClassVar[dict[str, Any]] = {
        "weight": None, "size_average": None, "ignore_index": -100, "reduce": None,
        "reduction": "mean",
    }  # fmt: skip


class BCELoss(Loss):
    """The cross entropy of two classes, of probabilities."""

    function, options = "binary_cross_entropy", {"weight": None, **FORMER, "reduction": "mean"}


class BCEWithLogitsLoss(Loss):
    """The cross entropy of two classes, of logits."""

    function = "binary_cross_entropy_with_logits"
    options: ClassVar[dict[str, Any]] = {
        "weight": None,
        **FORMER,
        "reduction": "mean",
        "pos_weight": None,
    }


class KLDivLoss(Loss):
    """How much a distribution differs from another, given as logarithms."""

    function, options = "kl_div", {**FORMER, "reduction": "mean", "log_target": False}


class PoissonNLLLoss(Loss):
    """The negative logarithm of a Poisson distribution, but for a constant."""

    function = "poisson_nll_loss"
    options: ClassVar[dict[str, Any]] = {
        "log_input": True, "full": False, "size_average": None, "eps": 1e-8, "reduce": None,
        "reduction": "mean",
    }  # fmt: skip


class GaussianNLLLoss(Loss):
    """The negative logarithm of a normal distribution; called with input, target, variance."""

    function, options = "gaussian_nll_loss", {"full": False, "eps": 1e-6, "reduction": "mean"}


class HingeEmbeddingLoss(Loss):
    """x for the target 1, max(0, margin - x) for -1."""

    function, options = "hinge_embedding_loss", {"margin": 1.0, **FORMER, "reduction": "mean"}


class SoftMarginLoss(Loss):
    """log(1 + exp(-target * x))."""

    function, options = "soft_margin_loss", {**FORMER, "reduction": "mean"}


class MultiMarginLoss(Loss):
    """How far classes come near the target's score, or above."""

    function = "multi_margin_loss"
    options: ClassVar[dict[str, Any]] = {
        "p": 1,
        "margin": 1.0,
        "weight": None,
        **FORMER,
        "reduction": "mean",
    }


class MultiLabelMarginLoss(Loss):
    """How far classes come near the scores of several targets, or above."""

    function, options = "multilabel_margin_loss", {**FORMER, "reduction": "mean"}


class MultiLabelSoftMarginLoss(Loss):
    """The cross entropy of each class by itself."""

    function = "multilabel_soft_margin_loss"
    options: ClassVar[dict[str, Any]] = {"weight": None, **FORMER, "reduction": "mean"}


class CosineEmbeddingLoss(Loss):
    """1 - cosine for the target 1, max(0, cosine - margin) for -1."""

    function, options = "cosine_embedding_loss", {"margin": 0.0, **FORMER, "reduction": "mean"}


class MarginRankingLoss(Loss):
    """max(0, margin - target * (x1 - x2))."""

    function, options = "margin_ranking_loss", {"margin": 0.0, **FORMER, "reduction": "mean"}


class TripletMarginLoss(Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin)."""

    function = "triplet_margin_loss"
    options: ClassVar[dict[str, Any]] = {
        "margin": 1.0, "p": 2.0, "eps": 1e-6, "swap": False, **FORMER, "reduction": "mean",
    }  # fmt: skip


class TripletMarginWithDistanceLoss(Loss):
    """`TripletMarginLoss` with any distance; the options are keywords in PyTorch."""

    function = "triplet_margin_with_distance_loss"
    options: ClassVar[dict[str, Any]] = {
        "distance_function": None,
        "margin": 1.0,
        "swap": False,
        "reduction": "mean",
    }


class CosineSimilarity(Applied):
    """The cosine of the angle between rows along an axis."""

    function, options = "cosine_similarity", {"dim": 1, "eps": 1e-8}

    def extra_repr(self) -> str:
        """Return nothing, as PyTorch's."""
        return ""


class PairwiseDistance(Applied):
    """The p-norm of differences of rows."""

    function, options = "pairwise_distance", {"p": 2.0, "eps": 1e-6, "keepdim": False}

    def extra_repr(self) -> str:
        """Return nothing, as PyTorch's."""
        return ""
