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
    "lbfgs": ("LBFGS",),
    "moments": ("LAMB", "Adamax", "NAdam", "RAdam"),
    "optimizer": ("Optimizer",),
    "sgd": ("SGD",),
    "signs": ("Lion", "Rprop"),
}

__all__, __getattr__, __dir__ = names_of(globals(), HOMES, ("lr_scheduler", "swa_utils"))
