"""Neural networks of Values and of Tensors: modules, `functional`, `init` and `utils`.

`MLP`, `Layer` and `Neuron` are micrograd's loops over Values; `Linear` and what follows are layers
of Tensors, with PyTorch's names, arguments and defaults. `Module`, `Sequential`, activations and
losses serve both. Names are imported when they are first used.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    "activations": (
        "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh",
        "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU",
        "SiLU", "Sigmoid", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign",
        "Tanh", "Tanhshrink", "Threshold",
    ),
    "adaptive": ("AdaptiveLogSoftmaxWithLoss",),
    "attention": (
        "MultiheadAttention", "Transformer", "TransformerDecoder", "TransformerDecoderLayer",
        "TransformerEncoder", "TransformerEncoderLayer",
    ),
    "containers": ("ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"),
    "convolution": (
        "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
        "LazyConv1d", "LazyConv2d", "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d",
        "LazyConvTranspose3d",
    ),
    "dropout": (
        "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout",
    ),
    "embedding": ("Embedding", "EmbeddingBag"),
    "functional": ("cross_entropy", "margin_loss", "mse_loss"),
    "linear": ("Bilinear", "Flatten", "Identity", "LazyLinear", "Linear", "Unflatten"),
    "losses": (
        "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CosineSimilarity",
        "CrossEntropyLoss", "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss",
        "L1Loss", "MSELoss", "MarginRankingLoss", "MultiLabelMarginLoss",
        "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "PairwiseDistance",
        "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss",
        "TripletMarginWithDistanceLoss",
    ),
    "module": ("Module",),
    "neurons": ("MLP", "Layer", "Neuron"),
    "normalization": (
        "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d",
        "InstanceNorm2d", "InstanceNorm3d", "LayerNorm", "LazyBatchNorm1d", "LazyBatchNorm2d",
        "LazyBatchNorm3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d", "LazyInstanceNorm3d",
        "LocalResponseNorm", "RMSNorm",
    ),
    "padding": (
        "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
        "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d",
        "ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d",
        "ZeroPad3d",
    ),
    "parameter": ("Buffer", "Parameter", "UninitializedParameter"),
    "pooling": (
        "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
        "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d",
        "FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d",
        "MaxPool1d", "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
    ),
    "recurrent": ("GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNCell"),
    "resizing": (
        "ChannelShuffle", "Fold", "PixelShuffle", "PixelUnshuffle", "Unfold", "Upsample",
        "UpsamplingBilinear2d", "UpsamplingNearest2d",
    ),
}  # fmt: skip

MODULES = ("attention", "functional", "init", "parameter", "utils")

# What PyTorch has and this package has not.
INSTEAD = {
    "CTCLoss": "the loss of unaligned sequences is left out",
    "DataParallel": "the only device is 'cpu': call the module itself; see distributed",
    "SyncBatchNorm": "there is one process: BatchNorm1d, BatchNorm2d, BatchNorm3d",
}

__all__, __getattr__, __dir__ = names_of(globals(), HOMES, MODULES, INSTEAD)
