"""Weights in files.

`save` and `load` here are for the float64 weights of modules of Values, of any engine, as NumPy's
arrays; `pymicrograd.save` and `pymicrograd.load` for Tensors and whatever a checkpoint holds.
"""

from .npz import load, load_state_dict, load_weights, save, state_dict

__all__ = ["load", "load_state_dict", "load_weights", "save", "state_dict"]
