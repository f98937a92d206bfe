"""Optimizers for Tensors, by their old name: those of `optim.tensors`."""

from .optim.tensors import SGD, Adam, AdamW, Optimizer

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
