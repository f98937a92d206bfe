"""Tensor, a topic a file; read ops.py, conversion.py and tensor.py first."""
