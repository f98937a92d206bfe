"""Optimizers of Values; those of Tensors are in tensors.py."""

from .values import SGD, Adam, AdamW, Optimizer

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
