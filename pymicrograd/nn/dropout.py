"""Dropout as modules: it drops while training, and passes everything on in evaluation."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ArgumentError
from .applied import Applied

__all__ = [
    "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout",
]  # fmt: skip


class Dropping(Applied):
    """What drops with probability p."""

    options: ClassVar[dict[str, Any]] = {"p": 0.5, "inplace": False}

    def _set_option(self, name: str, value: Any) -> None:
        if name == "p" and not 0.0 <= value <= 1.0:
            raise ArgumentError(f"dropout probability has to be between 0 and 1, but got {value}")
        super()._set_option(name, value)

    def _chosen(self) -> dict[str, Any]:
        return {**super()._chosen(), "training": self.training}

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(Dropping):
    """Each element is 0 with probability p, else divided by 1 - p (arXiv:1207.0580)."""

    function = "dropout"


class Dropout1d(Dropping):
    """`Dropout` of whole channels of (N, C, L)."""

    function = "dropout1d"


class Dropout2d(Dropping):
    """`Dropout` of whole channels of (N, C, H, W)."""

    function = "dropout2d"


class Dropout3d(Dropping):
    """`Dropout` of whole channels of (N, C, D, H, W)."""

    function = "dropout3d"


class AlphaDropout(Dropping):
    """`Dropout` to selu's lowest value, which keeps mean and variance (arXiv:1706.02515)."""

    function = "alpha_dropout"


class FeatureAlphaDropout(Dropping):
    """`AlphaDropout` of whole channels."""

    function = "feature_alpha_dropout"
