"""The names of `pymicrograd.nn.functional`; written by tools/names.py."""

from .activations import (
    gelu as gelu,
)
from .activations import (
    glu as glu,
)
from .activations import (
    gumbel_softmax as gumbel_softmax,
)
from .activations import (
    log_softmax as log_softmax,
)
from .activations import (
    logsigmoid as logsigmoid,
)
from .activations import (
    mish as mish,
)
from .activations import (
    relu as relu,
)
from .activations import (
    sigmoid as sigmoid,
)
from .activations import (
    silu as silu,
)
from .activations import (
    softmin as softmin,
)
from .activations import (
    softplus as softplus,
)
from .activations import (
    softsign as softsign,
)
from .activations import (
    tanh as tanh,
)
from .activations import (
    tanhshrink as tanhshrink,
)
from .attention import (
    multi_head_attention_forward as multi_head_attention_forward,
)
from .attention import (
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from .classes import (
    one_hot as one_hot,
)
from .distances import (
    cosine_similarity as cosine_similarity,
)
from .distances import (
    normalize as normalize,
)
from .distances import (
    pairwise_distance as pairwise_distance,
)
from .dropping import (
    alpha_dropout as alpha_dropout,
)
from .dropping import (
    dropout as dropout,
)
from .dropping import (
    dropout1d as dropout1d,
)
from .dropping import (
    dropout2d as dropout2d,
)
from .dropping import (
    dropout3d as dropout3d,
)
from .dropping import (
    feature_alpha_dropout as feature_alpha_dropout,
)
from .either import (
    cross_entropy as cross_entropy,
)
from .either import (
    mse_loss as mse_loss,
)
from .either import (
    softmax as softmax,
)
from .layers import (
    bilinear as bilinear,
)
from .layers import (
    layer_norm as layer_norm,
)
from .layers import (
    linear as linear,
)
from .layers import (
    rms_norm as rms_norm,
)
from .losses import (
    binary_cross_entropy as binary_cross_entropy,
)
from .losses import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from .losses import (
    cosine_embedding_loss as cosine_embedding_loss,
)
from .losses import (
    gaussian_nll_loss as gaussian_nll_loss,
)
from .losses import (
    hinge_embedding_loss as hinge_embedding_loss,
)
from .losses import (
    huber_loss as huber_loss,
)
from .losses import (
    kl_div as kl_div,
)
from .losses import (
    l1_loss as l1_loss,
)
from .losses import (
    margin_ranking_loss as margin_ranking_loss,
)
from .losses import (
    multi_margin_loss as multi_margin_loss,
)
from .losses import (
    multilabel_margin_loss as multilabel_margin_loss,
)
from .losses import (
    multilabel_soft_margin_loss as multilabel_soft_margin_loss,
)
from .losses import (
    nll_loss as nll_loss,
)
from .losses import (
    poisson_nll_loss as poisson_nll_loss,
)
from .losses import (
    smooth_l1_loss as smooth_l1_loss,
)
from .losses import (
    soft_margin_loss as soft_margin_loss,
)
from .losses import (
    triplet_margin_loss as triplet_margin_loss,
)
from .losses import (
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from .normalizing import (
    batch_norm as batch_norm,
)
from .normalizing import (
    group_norm as group_norm,
)
from .normalizing import (
    instance_norm as instance_norm,
)
from .normalizing import (
    local_response_norm as local_response_norm,
)
from .piecewise import (
    celu as celu,
)
from .piecewise import (
    elu as elu,
)
from .piecewise import (
    hardshrink as hardshrink,
)
from .piecewise import (
    hardsigmoid as hardsigmoid,
)
from .piecewise import (
    hardswish as hardswish,
)
from .piecewise import (
    hardtanh as hardtanh,
)
from .piecewise import (
    leaky_relu as leaky_relu,
)
from .piecewise import (
    prelu as prelu,
)
from .piecewise import (
    relu6 as relu6,
)
from .piecewise import (
    rrelu as rrelu,
)
from .piecewise import (
    selu as selu,
)
from .piecewise import (
    softshrink as softshrink,
)
from .piecewise import (
    threshold as threshold,
)
from .tables import (
    embedding as embedding,
)
from .tables import (
    embedding_bag as embedding_bag,
)
from .values import (
    dot as dot,
)
from .values import (
    margin_loss as margin_loss,
)
from .values import (
    mean as mean,
)
from .values import (
    rmsnorm as rmsnorm,
)
from .values import (
    sum as sum,
)
from .windows import (
    avg_pool2d as avg_pool2d,
)
from .windows import (
    conv2d as conv2d,
)
from .windows import (
    conv_transpose2d as conv_transpose2d,
)
from .windows import (
    max_pool1d as max_pool1d,
)
from .windows import (
    max_pool2d as max_pool2d,
)
from .windows import (
    pad as pad,
)

HOMES: dict[str, tuple[str, ...]]
__all__ = [
    "alpha_dropout",
    "avg_pool2d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv2d",
    "conv_transpose2d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dot",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "margin_loss",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "mean",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "rmsnorm",
    "rrelu",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "sum",
    "tanh",
    "tanhshrink",
    "threshold",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

def __dir__() -> list[str]: ...
