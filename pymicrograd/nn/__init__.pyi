"""The names of `pymicrograd.nn`; written by tools/names.py."""

from . import (
    functional as functional,
)
from . import (
    init as init,
)
from . import (
    parameter as parameter,
)
from . import (
    utils as utils,
)
from .activations import (
    CELU as CELU,
)
from .activations import (
    ELU as ELU,
)
from .activations import (
    GELU as GELU,
)
from .activations import (
    GLU as GLU,
)
from .activations import (
    SELU as SELU,
)
from .activations import (
    Hardshrink as Hardshrink,
)
from .activations import (
    Hardsigmoid as Hardsigmoid,
)
from .activations import (
    Hardswish as Hardswish,
)
from .activations import (
    Hardtanh as Hardtanh,
)
from .activations import (
    LeakyReLU as LeakyReLU,
)
from .activations import (
    LogSigmoid as LogSigmoid,
)
from .activations import (
    LogSoftmax as LogSoftmax,
)
from .activations import (
    Mish as Mish,
)
from .activations import (
    PReLU as PReLU,
)
from .activations import (
    ReLU as ReLU,
)
from .activations import (
    ReLU6 as ReLU6,
)
from .activations import (
    RReLU as RReLU,
)
from .activations import (
    Sigmoid as Sigmoid,
)
from .activations import (
    SiLU as SiLU,
)
from .activations import (
    Softmax as Softmax,
)
from .activations import (
    Softmax2d as Softmax2d,
)
from .activations import (
    Softmin as Softmin,
)
from .activations import (
    Softplus as Softplus,
)
from .activations import (
    Softshrink as Softshrink,
)
from .activations import (
    Softsign as Softsign,
)
from .activations import (
    Tanh as Tanh,
)
from .activations import (
    Tanhshrink as Tanhshrink,
)
from .activations import (
    Threshold as Threshold,
)
from .attention import (
    MultiheadAttention as MultiheadAttention,
)
from .attention import (
    Transformer as Transformer,
)
from .attention import (
    TransformerDecoder as TransformerDecoder,
)
from .attention import (
    TransformerDecoderLayer as TransformerDecoderLayer,
)
from .attention import (
    TransformerEncoder as TransformerEncoder,
)
from .attention import (
    TransformerEncoderLayer as TransformerEncoderLayer,
)
from .containers import (
    ModuleDict as ModuleDict,
)
from .containers import (
    ModuleList as ModuleList,
)
from .containers import (
    ParameterDict as ParameterDict,
)
from .containers import (
    ParameterList as ParameterList,
)
from .containers import (
    Sequential as Sequential,
)
from .dropout import (
    AlphaDropout as AlphaDropout,
)
from .dropout import (
    Dropout as Dropout,
)
from .dropout import (
    Dropout1d as Dropout1d,
)
from .dropout import (
    Dropout2d as Dropout2d,
)
from .dropout import (
    Dropout3d as Dropout3d,
)
from .dropout import (
    FeatureAlphaDropout as FeatureAlphaDropout,
)
from .embedding import (
    Embedding as Embedding,
)
from .embedding import (
    EmbeddingBag as EmbeddingBag,
)
from .functional import (
    cross_entropy as cross_entropy,
)
from .functional import (
    margin_loss as margin_loss,
)
from .functional import (
    mse_loss as mse_loss,
)
from .linear import (
    Bilinear as Bilinear,
)
from .linear import (
    Flatten as Flatten,
)
from .linear import (
    Identity as Identity,
)
from .linear import (
    LazyLinear as LazyLinear,
)
from .linear import (
    Linear as Linear,
)
from .linear import (
    Unflatten as Unflatten,
)
from .losses import (
    BCELoss as BCELoss,
)
from .losses import (
    BCEWithLogitsLoss as BCEWithLogitsLoss,
)
from .losses import (
    CosineEmbeddingLoss as CosineEmbeddingLoss,
)
from .losses import (
    CosineSimilarity as CosineSimilarity,
)
from .losses import (
    CrossEntropyLoss as CrossEntropyLoss,
)
from .losses import (
    GaussianNLLLoss as GaussianNLLLoss,
)
from .losses import (
    HingeEmbeddingLoss as HingeEmbeddingLoss,
)
from .losses import (
    HuberLoss as HuberLoss,
)
from .losses import (
    KLDivLoss as KLDivLoss,
)
from .losses import (
    L1Loss as L1Loss,
)
from .losses import (
    MarginRankingLoss as MarginRankingLoss,
)
from .losses import (
    MSELoss as MSELoss,
)
from .losses import (
    MultiLabelMarginLoss as MultiLabelMarginLoss,
)
from .losses import (
    MultiLabelSoftMarginLoss as MultiLabelSoftMarginLoss,
)
from .losses import (
    MultiMarginLoss as MultiMarginLoss,
)
from .losses import (
    NLLLoss as NLLLoss,
)
from .losses import (
    PairwiseDistance as PairwiseDistance,
)
from .losses import (
    PoissonNLLLoss as PoissonNLLLoss,
)
from .losses import (
    SmoothL1Loss as SmoothL1Loss,
)
from .losses import (
    SoftMarginLoss as SoftMarginLoss,
)
from .losses import (
    TripletMarginLoss as TripletMarginLoss,
)
from .losses import (
    TripletMarginWithDistanceLoss as TripletMarginWithDistanceLoss,
)
from .module import (
    Module as Module,
)
from .neurons import (
    MLP as MLP,
)
from .neurons import (
    Layer as Layer,
)
from .neurons import (
    Neuron as Neuron,
)
from .normalization import (
    BatchNorm1d as BatchNorm1d,
)
from .normalization import (
    BatchNorm2d as BatchNorm2d,
)
from .normalization import (
    BatchNorm3d as BatchNorm3d,
)
from .normalization import (
    GroupNorm as GroupNorm,
)
from .normalization import (
    InstanceNorm1d as InstanceNorm1d,
)
from .normalization import (
    InstanceNorm2d as InstanceNorm2d,
)
from .normalization import (
    InstanceNorm3d as InstanceNorm3d,
)
from .normalization import (
    LayerNorm as LayerNorm,
)
from .normalization import (
    LazyBatchNorm1d as LazyBatchNorm1d,
)
from .normalization import (
    LazyBatchNorm2d as LazyBatchNorm2d,
)
from .normalization import (
    LazyBatchNorm3d as LazyBatchNorm3d,
)
from .normalization import (
    LocalResponseNorm as LocalResponseNorm,
)
from .normalization import (
    RMSNorm as RMSNorm,
)
from .parameter import (
    Buffer as Buffer,
)
from .parameter import (
    Parameter as Parameter,
)
from .parameter import (
    UninitializedParameter as UninitializedParameter,
)
from .recurrent import (
    GRU as GRU,
)
from .recurrent import (
    LSTM as LSTM,
)
from .recurrent import (
    RNN as RNN,
)
from .recurrent import (
    GRUCell as GRUCell,
)
from .recurrent import (
    LSTMCell as LSTMCell,
)
from .recurrent import (
    RNNCell as RNNCell,
)

HOMES: dict[str, tuple[str, ...]]
__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "SELU",
    "AlphaDropout",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Bilinear",
    "Buffer",
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "EmbeddingBag",
    "FeatureAlphaDropout",
    "Flatten",
    "GRUCell",
    "GaussianNLLLoss",
    "GroupNorm",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "KLDivLoss",
    "L1Loss",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyLinear",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MarginRankingLoss",
    "Mish",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "MultiheadAttention",
    "NLLLoss",
    "Neuron",
    "PReLU",
    "PairwiseDistance",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "PoissonNLLLoss",
    "RMSNorm",
    "RNNCell",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
    "Unflatten",
    "UninitializedParameter",
    "cross_entropy",
    "functional",
    "init",
    "margin_loss",
    "mse_loss",
    "parameter",
    "utils",
]

def __dir__() -> list[str]: ...
