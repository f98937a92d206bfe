"""Functions of Values and Tensors, with PyTorch's names and arguments where it has them.

A function that has both kinds looks at its first argument: a Tensor, or a list of Values. Names are
imported when they are first used, so that Values do not load what Tensors need.
"""

from ...lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    "activations": (
        "gelu", "glu", "gumbel_softmax", "log_softmax", "logsigmoid", "mish", "quick_gelu", "relu",
        "sigmoid", "silu", "softmin", "softplus", "softsign", "tanh", "tanhshrink",
    ),
    "adaptive": (
        "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
        "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
        "fractional_max_pool2d", "fractional_max_pool3d",
    ),
    "attention": ("multi_head_attention_forward", "scaled_dot_product_attention"),
    "classes": ("one_hot",),
    "convolutions": (
        "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    ),
    "distances": ("cosine_similarity", "normalize", "pairwise_distance", "pdist"),
    "dropping": (
        "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
    ),
    "either": ("cross_entropy", "mse_loss", "softmax"),
    "layers": ("bilinear", "layer_norm", "linear", "rms_norm"),
    "losses": (
        "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
        "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss",
        "margin_ranking_loss", "multi_margin_loss", "multilabel_margin_loss",
        "multilabel_soft_margin_loss", "nll_loss", "poisson_nll_loss", "smooth_l1_loss",
        "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
    ),
    "normalizing": ("batch_norm", "group_norm", "instance_norm", "local_response_norm"),
    "overwriting": (
        "celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_",
    ),
    "padding": ("pad",),
    "piecewise": (
        "celu", "elu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "prelu",
        "relu6", "rrelu", "selu", "softshrink", "threshold",
    ),
    "pooling": (
        "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d",
        "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d",
    ),
    "rearranging": ("channel_shuffle", "fold", "pixel_shuffle", "pixel_unshuffle", "unfold"),
    "resizing": ("interpolate", "upsample", "upsample_bilinear", "upsample_nearest"),
    "sampling": ("affine_grid", "grid_sample"),
    "tables": ("embedding", "embedding_bag"),
    "values": ("dot", "margin_loss", "mean", "rmsnorm", "sum"),
}  # fmt: skip

# What PyTorch has and this package has not.
INSTEAD = {
    "ctc_loss": "the loss of unaligned sequences is left out",
}

__all__, __getattr__, __dir__ = names_of(globals(), HOMES, instead=INSTEAD)
