"""Benchmarks of pymicrograd: `python -m bench` from the root of the repository.

Not part of the package. Each subject is one file; runner.py says how anything is timed. Times
are printed, never asserted; numbers that the contestants compute are compared before.
"""
