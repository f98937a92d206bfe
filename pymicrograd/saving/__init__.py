"""Weights in files."""

from .npz import load, load_state_dict, load_weights, save, state_dict

__all__ = ["load", "load_state_dict", "load_weights", "save", "state_dict"]
