"""Optimizers of Values or of Tensors, one class for each rule, and `lr_scheduler`.

SGD, Adam and AdamW are of both; the others of Tensors. Names, arguments and defaults are PyTorch's;
LAMB and Lion are those of their papers. Names are imported when they are first used.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    "adam": ("Adam", "AdamW"),
    "adaptive": ("Adadelta", "Adagrad", "RMSprop"),
    "averaged": ("ASGD",),
    "composed": ("Adafactor", "Muon"),
    "lbfgs": ("LBFGS",),
    "moments": ("LAMB", "Adamax", "NAdam", "RAdam"),
    "optimizer": ("Optimizer",),
    "sgd": ("SGD",),
    "signs": ("Lion", "Rprop"),
}

# What PyTorch has and this package has not.
INSTEAD = {"SparseAdam": "gradients are never sparse; Adam has the same arguments"}

MODULES = ("lr_scheduler", "swa_utils")

__all__, __getattr__, __dir__ = names_of(globals(), HOMES, MODULES, INSTEAD)
