"""Derivatives as functions of functions: PyTorch's `torch.func` names, and Hessian products."""

from .autograd.transforms import hessian, hvp, jacobian, jvp, vjp

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vjp"]
