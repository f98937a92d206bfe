"""Distributions: draws, logarithms of probabilities, entropies, with gradients by parameters.

Names, arguments and shapes are PyTorch's; what is not here can be computed of these and draws.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    "bernoulli": ("Bernoulli",),
    "categorical": ("Categorical",),
    "distribution": ("Distribution",),
    "exponential": ("Exponential",),
    "kl": ("kl_divergence",),
    "multinomial": ("Multinomial",),
    "normal": ("Normal",),
    "uniform": ("Uniform",),
}

MODULES = tuple(HOMES)

# What PyTorch has and this package has not.
INSTEAD = {"Independent": "sum log_prob() and entropy() over the last axes"}

__all__, __getattr__, __dir__ = names_of(globals(), HOMES, MODULES, INSTEAD)
