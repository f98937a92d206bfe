"""microgpt's Value: `from pymicrograd.microgpt import Value` in place of the class in that program.

`Value(data, children, local_grads)` makes a node with operands of the program's own, `_children`
and `_local_grads` tell of any node what it was made of.
"""

from .value import Value

__all__ = ["Value"]
