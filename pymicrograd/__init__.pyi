"""The public names; written by tools/names.py."""

from . import (
    autograd as autograd,
    data as data,
    engine as engine,
    errors as errors,
    files as files,
    func as func,
    losses as losses,
    modules as modules,
    networks as networks,
    nn as nn,
    optim as optim,
    pictures as pictures,
    random as random,
    recording as recording,
    reference as reference,
    saving as saving,
    scalars as scalars,
    tensors as tensors,
    value as value,
)
from ._core import (
    build_info as build_info,
    enable_grad as enable_grad,
    get_num_threads as get_num_threads,
    is_grad_enabled as is_grad_enabled,
    isa as isa,
    memory_usage as memory_usage,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
    set_isa as set_isa,
    set_memory_limit as set_memory_limit,
    set_num_threads as set_num_threads,
)
from .autograd import (
    grad as grad,
)
from .data import (
    gen_data as gen_data,
    gen_data_linear as gen_data_linear,
    gen_data_moons as gen_data_moons,
    gen_data_yinyang as gen_data_yinyang,
    split as split,
)
from .nn import (
    MLP as MLP,
    Layer as Layer,
    Module as Module,
    Neuron as Neuron,
    cross_entropy as cross_entropy,
    functional as functional,
    margin_loss as margin_loss,
    mse_loss as mse_loss,
)
from .optim import (
    SGD as SGD,
    Adam as Adam,
    AdamW as AdamW,
)
from .pictures.graphs import (
    draw_dot as draw_dot,
    to_dot as to_dot,
    to_mermaid as to_mermaid,
    trace as trace,
    vis_color as vis_color,
)
from .random import (
    RNG as RNG,
    manual_seed as manual_seed,
)
from .tensors.conversion import (
    as_tensor as as_tensor,
)
from .tensors.creation import (
    arange as arange,
    empty as empty,
    empty_like as empty_like,
    eye as eye,
    full as full,
    full_like as full_like,
    linspace as linspace,
    ones as ones,
    ones_like as ones_like,
    rand as rand,
    rand_like as rand_like,
    randint as randint,
    randn as randn,
    randn_like as randn_like,
    randperm as randperm,
    zeros as zeros,
    zeros_like as zeros_like,
)
from .tensors.dtypes import (
    bool_ as bool_,
    dtype as dtype,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    int32 as int32,
    int64 as int64,
    uint8 as uint8,
)
from .tensors.function import (
    Function as Function,
)
from .tensors.functions import (
    maximum as maximum,
    minimum as minimum,
    where as where,
)
from .tensors.interchange import (
    from_dlpack as from_dlpack,
    from_numpy as from_numpy,
    tensor as tensor,
)
from .tensors.joining import (
    cat as cat,
    stack as stack,
)
from .tensors.leaves import (
    tril as tril,
    triu as triu,
)
from .tensors.printing import (
    set_printoptions as set_printoptions,
)
from .tensors.tensor import (
    Tensor as Tensor,
)
from .value import (
    Value as Value,
)

HOMES: dict[str, tuple[str, ...]]
MODULES: tuple[str, ...]
__version__: str
__all__ = [
    "Adam",
    "AdamW",
    "Function",
    "Layer",
    "MLP",
    "Module",
    "Neuron",
    "RNG",
    "SGD",
    "Tensor",
    "Value",
    "arange",
    "as_tensor",
    "autograd",
    "bool_",
    "build_info",
    "cat",
    "cross_entropy",
    "draw_dot",
    "dtype",
    "empty",
    "empty_like",
    "enable_grad",
    "eye",
    "float16",
    "float32",
    "float64",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "func",
    "functional",
    "gen_data",
    "gen_data_linear",
    "gen_data_moons",
    "gen_data_yinyang",
    "get_num_threads",
    "grad",
    "int32",
    "int64",
    "is_grad_enabled",
    "isa",
    "linspace",
    "manual_seed",
    "margin_loss",
    "maximum",
    "memory_usage",
    "minimum",
    "mse_loss",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "optim",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "set_grad_enabled",
    "set_isa",
    "set_memory_limit",
    "set_num_threads",
    "set_printoptions",
    "split",
    "stack",
    "tensor",
    "to_dot",
    "to_mermaid",
    "trace",
    "tril",
    "triu",
    "uint8",
    "vis_color",
    "where",
    "zeros",
    "zeros_like",
]

def __dir__() -> list[str]: ...
