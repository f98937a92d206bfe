"""Derivatives and batches as functions of functions: `torch.func`, and Hessian products."""

from .autograd.composable import grad, grad_and_value, hessian, jacfwd, jacrev, vmap
from .autograd.transforms import hvp, jacobian, jvp, vjp
from .nn.utils.stateless import functional_call

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "hvp", "jacfwd", "jacobian", "jacrev",
    "jvp", "vjp", "vmap",
]  # fmt: skip
