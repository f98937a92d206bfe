"""The names of `pymicrograd.distributions`; written by tools/names.py."""

from . import (
    bernoulli as bernoulli,
    categorical as categorical,
    distribution as distribution,
    exponential as exponential,
    kl as kl,
    multinomial as multinomial,
    normal as normal,
    uniform as uniform,
)
from .bernoulli import (
    Bernoulli as Bernoulli,
)
from .categorical import (
    Categorical as Categorical,
)
from .distribution import (
    Distribution as Distribution,
)
from .exponential import (
    Exponential as Exponential,
)
from .kl import (
    kl_divergence as kl_divergence,
)
from .multinomial import (
    Multinomial as Multinomial,
)
from .normal import (
    Normal as Normal,
)
from .uniform import (
    Uniform as Uniform,
)

HOMES: dict[str, tuple[str, ...]]
__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Exponential",
    "Multinomial",
    "Normal",
    "Uniform",
    "bernoulli",
    "categorical",
    "distribution",
    "exponential",
    "kl",
    "kl_divergence",
    "multinomial",
    "normal",
    "uniform",
]

def __dir__() -> list[str]: ...
