"""Special functions of Tensors, with gradients; the same bits on every machine.

Names are imported when they are first used.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    ".tensors.special": (
        "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc",
        "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax",
        "logit", "logsumexp", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "sinc",
        "softmax", "xlog1py", "xlogy", "zeta",
    ),
}  # fmt: skip

__all__, __getattr__, __dir__ = names_of(globals(), HOMES)
