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
        abs acos acosh add argmax argmin asin asinh atan atanh backward ceil chunk clip contiguous
        cos cosh cpu detach device div dtype element_size exp exp2 expand flatten flip float floor
        grad half is_floating_point item log log2 matmul maximum mean minimum mul multinomial
        ndim neg numel numpy permute pow reciprocal relu repeat requires_grad reshape rsqrt shape
        sigmoid sign silu sin sinh softplus sqrt square squeeze std sub sum T tan tanh to tril triu
        trunc unsqueeze
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
        "Tensor.empty, full, zeros, ones, eye": (
            "empty(2, 3), full((2, 3), 0.5), zeros(2, 3), ones(2, 3), eye(3)",
            "functions of the module, as in PyTorch",
        ),
        "Tensor.arange": ("arange(0, 1, 0.3)", "start + i * step, not added up"),
        "full_like, zeros_like, ones_like": ("full_like(x, 2.0), zeros_like(x), ones_like(x)", ""),
        "Tensor.manual_seed": ("manual_seed(42)", "of one generator for all"),
        "Tensor.rand, randn": ("rand(2, 3), randn(2, 3)", ""),
        "Tensor.randint(2, 3, low=0, high=10)": ("randint(0, 10, (2, 3))", "int64"),
        "Tensor.normal(2, 3, mean=0, std=1)": ("normal(0.0, 1.0, (2, 3))", ""),
        "Tensor.uniform(2, 3, low=0, high=1)": ("empty(2, 3).uniform_(0, 1)", ""),
        "Tensor.scaled_uniform(2, 3)": (
            "empty(2, 3).uniform_(-1, 1) * math.prod((2, 3)) ** -0.5",
            "",
        ),
        "Tensor.glorot_uniform(2, 3)": ("nn.init.xavier_uniform_(empty(2, 3))", ""),
        "Tensor.kaiming_uniform, kaiming_normal": (
            "nn.init.kaiming_uniform_(empty(2, 3), a=0.01), nn.init.kaiming_normal_(empty(2, 3))",
            "",
        ),
        "default_type": ("get_default_dtype()", "float32; a list of ints makes int64"),
    },
    "state and the graph, teenygrad": {
        "no_grad": ("no_grad()", "`with no_grad():` or above a function"),
        "training, train": ("model.train(), model.eval()", "of a Module, not of all tensors"),
        "deepwalk": ("to_dot(loss)", "or `loss.grad_fn.next_functions`"),
        "realize, corealize, lazydata, contiguous_backward": (NOTHING, "nothing is lazy"),
        "wino": (NOTHING, "convolutions add in one order that is written down"),
        "assign": ("x.copy_(y)", ""),
        "nbytes()": ("x.nbytes", "no call"),
        "to_": (NOTHING, "there is one device"),
        "cast": ("x.to(float64)", "`float()`, `half()` are here"),
        "bitcast": ('tensor(x.numpy().view("int32"))', "by NumPy"),
    },
    "axes, teenygrad": {
        "transpose()": ("x.transpose(1, 0)", "the axes have no defaults; `x.T`"),
        "shrink(((0, 1), (1, 3)))": ("x[0:1, 1:3]", ""),
        "slice(((-1, 2), (0, 3)))": ("F.pad(x, (0, 0, 1, 0))", "out of range is padding"),
        "pad(((1, 0), (0, 2)))": ("F.pad(x, (0, 2, 1, 0))", "pairs from the last axis on"),
        "pad2d": ("F.pad(images, (1, 1, 2, 2))", ""),
        "gather(index, dim)": ("x.gather(1, labels.unsqueeze(1))", "the axis comes first"),
        "cat": ("cat((x, y), 1)", ""),
        "Tensor.stack": ("stack((x, y))", ""),
        "cumsum()": ("x.cumsum(0)", "the axis has no default"),
        "softmax(), log_softmax()": ("x.softmax(-1), x.log_softmax(-1)", "neither here"),
        "max, min of an axis": ("x.amax(1), x.amin(1)", "`x.max(1)` has the indices, too"),
    },
    "products and layers, teenygrad": {
        "dot": ("x @ w", "`dot` is of two vectors"),
        "linear": ("x @ w + b", "`F.linear` and `nn.Linear` have the weight (out, in)"),
        "sequential": ("nn.Sequential(nn.Linear(3, 2), nn.ReLU())(x)", ""),
        "conv2d": ("F.conv2d(images, kernels)", ""),
        "conv_transpose2d": ("F.conv_transpose2d(images, rand(2, 4, 3, 3))", ""),
        "avg_pool2d, max_pool2d": ("F.avg_pool2d(images, 2), F.max_pool2d(images, 2)", ""),
        "layernorm": ("F.layer_norm(x, x.shape[-1:])", ""),
        "batchnorm": (
            "F.batch_norm(images, zeros(2), ones(2))",
            "takes the variance, not 1 / deviation",
        ),
        "dropout": ("F.dropout(x, 0.5, training=True)", ""),
        "scaled_dot_product_attention": ("F.scaled_dot_product_attention(x, y, y)", ""),
        "binary_crossentropy": ("F.binary_cross_entropy(x.sigmoid(), targets)", ""),
        "binary_crossentropy_logits": ("F.binary_cross_entropy_with_logits(x, targets)", ""),
        "sparse_categorical_crossentropy": (
            "F.cross_entropy(x, labels, ignore_index=-1)",
            "",
        ),
    },
    "functions of elements, teenygrad": {
        "where": ("where(mask, x, y)", "`x.where(mask, y)` begins with what is chosen"),
        "<, ==": ("(x < y).float()", "comparisons are bools"),
        "gelu": ('F.gelu(x, approximate="tanh")', "`x.gelu()` is the exact one"),
        "quick_gelu": ("x * (1.702 * x).sigmoid()", ""),
        "elu, celu, relu6": ("F.elu(x), F.celu(x), F.relu6(x)", ""),
        "leakyrelu": ("F.leaky_relu(x, 0.01)", ""),
        "hardswish, hardtanh": ("F.hardswish(x), F.hardtanh(x)", ""),
        "mish, softsign": ("F.mish(x), F.softsign(x)", ""),
        "swish": ("x.silu()", ""),
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
