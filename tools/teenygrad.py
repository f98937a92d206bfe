"""Write the tables of docs/from_teenygrad.md: `python tools/teenygrad.py`; `--check` only compares.

Each member of teenygrad and mytorch is named once: in SAME, where the name is here and does the
same, or in INSTEAD, with code that stands for it, and what is different. The tests look the names
up and run the code.
"""

from __future__ import annotations

import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "from_teenygrad.md"

# What the code below is about: x (2, 3), w (3, 2), images (1, 2, 6, 6), kernels (4, 2, 3, 3).
SETUP = """
import math
import pymicrograd as mg
from pymicrograd import *
from pymicrograd import load, save
from pymicrograd import autograd, nn, optim
from pymicrograd.nn import functional as F
manual_seed(1)
x = tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])
y, w, b = x * 2, ones(3, 2, requires_grad=True), zeros(2)
labels, targets, mask = tensor([1, 0]), x.sigmoid(), x > 0
images, kernels = rand(1, 2, 6, 6), rand(4, 2, 3, 3)
model = nn.Linear(3, 2)
loss = (x @ w).sum()
"""

SAME = {
    "methods of a teenygrad Tensor": """
        abs acos acosh add argmax argmin asin asinh assign atan atanh avg_pool2d backward batchnorm
        binary_crossentropy binary_crossentropy_logits cast cat ceil celu chunk clip contiguous
        contiguous_backward conv2d conv_transpose2d corealize cos cosh cpu default_type detach
        device div dropout dtype element_size elu empty exp exp2 expand eye flatten flip float floor
        full full_like glorot_uniform grad half hardswish hardtanh is_floating_point item
        kaiming_normal kaiming_uniform layernorm leakyrelu linear log log2 matmul max_pool2d maximum
        mean minimum mish mul multinomial ndim neg normal numel numpy ones ones_like pad2d permute
        pow quick_gelu rand randint randn realize reciprocal relu relu6 repeat requires_grad reshape
        rsqrt scaled_dot_product_attention scaled_uniform sequential shape shrink sigmoid sign silu
        sin sinh slice softplus softsign sparse_categorical_crossentropy sqrt square squeeze stack
        std sub sum swish T tan tanh to train training tril triu trunc uniform unsqueeze zeros
        zeros_like
    """,
    "teenygrad's nn.optim, in optim": "Adam AdamW LAMB Optimizer SGD",
    "attributes and methods of a mytorch Tensor": """
        add backward data div dtype grad grad_fn log mul ndim neg numpy pow requires_grad reshape
        shape sub sum
    """,
    "functions of mytorch": """
        add arange div log mul neg ones ones_like pow rand randn reshape sub sum tensor zeros
        zeros_like
    """,
}

NOTHING = ""  # no code: the program goes without
# Name: (code, what is different).
INSTEAD: dict[str, dict[str, tuple[str, str]]] = {
    "making tensors, teenygrad": {
        "Tensor(5)": ("tensor(5.0)", "`Tensor(5)` has five zeros, as in PyTorch"),
        "Tensor(..., requires_grad=None)": (
            "tensor([1.0], requires_grad=True)",
            "an optimizer does not switch gradients on",
        ),
        "Tensor.arange": ("Tensor.arange(0, 1, 0.3)", "start + i * step, not added up"),
        "Tensor.manual_seed": ("Tensor.manual_seed(42)", "of one generator for all"),
        "Tensor.randint": ("Tensor.randint(2, 3, low=0, high=10)", "int64"),
    },
    "state and the graph, teenygrad": {
        "no_grad": ("no_grad()", "`with no_grad():` or above a function"),
        "deepwalk": ("to_dot(loss)", "or `loss.grad_fn.next_functions`"),
        "lazydata": (NOTHING, "nothing is lazy; `realize()` returns its tensor"),
        "wino": (NOTHING, "convolutions add in one order that is written down"),
        "nbytes()": ("x.nbytes", "no call"),
        "to_": (NOTHING, "there is one device"),
        "bitcast": ('tensor(x.numpy().view("int32"))', "by NumPy"),
    },
    "axes, teenygrad": {
        "transpose()": ("x.transpose(1, 0)", "the axes have no defaults; `x.T`"),
        "pad(((1, 0), (0, 2)))": ("F.pad(x, (0, 2, 1, 0))", "pairs from the last axis on"),
        "gather(index, dim)": ("x.gather(1, labels.unsqueeze(1))", "the axis comes first"),
        "cumsum()": ("x.cumsum(0)", "the axis has no default"),
        "softmax(), log_softmax()": ("x.softmax(-1), x.log_softmax(-1)", "neither here"),
        "max, min of an axis": ("x.amax(1), x.amin(1)", "`x.max(1)` has the indices, too"),
    },
    "products, teenygrad": {
        "dot": ("x @ w", "`dot` is of two vectors"),
    },
    "functions of elements, teenygrad": {
        "where": ("where(mask, x, y)", "`x.where(mask, y)` begins with what is chosen"),
        "<, ==": ("(x < y).float()", "comparisons are bools"),
        "gelu": ('F.gelu(x, approximate="tanh")', "`x.gelu()` is the exact one"),
        "sign": ("x.sign()", "1 for 1e-12 as well"),
    },
    "files and modules, tinygrad": {
        "nn.state.get_parameters": ("list(model.parameters())", ""),
        "nn.state.get_state_dict": ("model.state_dict()", ""),
        "nn.state.load_state_dict": ("model.load_state_dict(model.state_dict())", ""),
        "nn.state.safe_save, safe_load": ("save, load", 'of a name that ends in ".safetensors"'),
        "nn.InstanceNorm": ("nn.InstanceNorm2d(2)", ""),
        "nn.LayerNorm2d": (
            "nn.LayerNorm(2)(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)",
            "",
        ),
        "TinyJit, Device, GlobalCounters": (NOTHING, "every op runs when it is called"),
        "dtypes.float32": ("float32", "types are names of the module"),
        "mlops.Function": ("autograd.Function", ""),
    },
    "mytorch": {
        "ensure_tensor": ("as_tensor(2.0)", "a number beside float32 stays float32"),
        "check_requires_grad": ("any(t.requires_grad for t in (x, w))", ""),
        "autograd.grad(output, inputs)": (
            "autograd.grad(loss, (w,), create_graph=True)",
            "without create_graph the gradients have none themselves",
        ),
        "autograd.backward(t, grad_tensor)": (
            "autograd.backward((loss,), (ones(()),))",
            "adds to leaves alone",
        ),
        "GradNode, next_functions": ("loss.grad_fn.next_functions", ""),
        "toposort": ("to_dot(loss)", "operands stand before results"),
        "unbroadcast": ("x.sum_to_size(1, 3)", ""),
    },
}
BEGIN, END = "<!-- written by tools/teenygrad.py -->\n", "<!-- end of what it writes -->\n"


def tables() -> str:
    """Return the tables of all names."""
    lines = ["", "The same, by the same names:", ""]
    for group, names in SAME.items():
        lines.append(f"- {group}: " + " ".join(f"`{name}`" for name in names.split()) + ".")
    for group, rows in INSTEAD.items():
        lines += ["", f"| {group} | here | different |", "| --- | --- | --- |"]
        for name, (code, why) in rows.items():
            lines.append(f"| `{name}` | {f'`{code}`' if code else 'leave it out'} | {why} |")
    return "\n".join(lines) + "\n\n"


def page() -> str:
    """Return the page with its tables written anew."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return before + BEGIN + tables() + END + rest.split(END)[1]


def main() -> None:
    """Write the page, or with --check end with a sentence if it would change."""
    text = page()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if text == PAGE.read_text(encoding="utf-8") else f"{PAGE} is not up to date")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
