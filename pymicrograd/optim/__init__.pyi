"""The names of `pymicrograd.optim`; written by tools/names.py."""

from . import (
    lr_scheduler as lr_scheduler,
    swa_utils as swa_utils,
)
from .adam import (
    Adam as Adam,
    AdamW as AdamW,
)
from .adaptive import (
    Adadelta as Adadelta,
    Adagrad as Adagrad,
    RMSprop as RMSprop,
)
from .averaged import (
    ASGD as ASGD,
)
from .composed import (
    Adafactor as Adafactor,
    Muon as Muon,
)
from .lbfgs import (
    LBFGS as LBFGS,
)
from .moments import (
    LAMB as LAMB,
    Adamax as Adamax,
    NAdam as NAdam,
    RAdam as RAdam,
)
from .optimizer import (
    Optimizer as Optimizer,
)
from .sgd import (
    SGD as SGD,
)
from .signs import (
    Lion as Lion,
    Rprop as Rprop,
)

HOMES: dict[str, tuple[str, ...]]
__all__ = [
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LAMB",
    "LBFGS",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "lr_scheduler",
    "swa_utils",
]

def __dir__() -> list[str]: ...
