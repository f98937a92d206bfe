"""Every layer, loss and function of pymicrograd.nn in a program: eager's bits and errors."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pytest

import pymicrograd as mg
from pymicrograd import nn
from pymicrograd.errors import ArgumentError, RecordingError, TensorIndexError
from pymicrograd.nn import functional as F

Spec = Callable[[Any], Any]  # an argument, from a generator
CALLS = 3


def normal(*shape: int) -> Spec:
    return lambda g: mg.randn(shape, generator=g).requires_grad_()


def unit(*shape: int) -> Spec:
    return lambda g: mg.rand(shape, generator=g).requires_grad_()


def whole(high: int, *shape: int, low: int = 0) -> Spec:
    return lambda g: mg.randint(low, high, shape, generator=g)


def signs(*shape: int) -> Spec:
    return lambda g: mg.randint(0, 2, shape, generator=g).float() * 2 - 1


def mask(*shape: int) -> Spec:
    """Bools, of which some rows are all false."""
    return lambda g: mg.rand(shape, generator=g) > 0.6


def added(*shape: int) -> Spec:
    """What is added to scores: -infinity where nothing is seen."""
    return lambda g: mg.zeros(shape).masked_fill(mg.rand(shape, generator=g) > 0.4, -math.inf)


def some(*shape: int) -> Spec:
    """Bools, of which the first of each row is false."""
    return lambda g: (mg.rand(shape, generator=g) > 0.5) & (mg.arange(shape[-1]) > 0)


def hostile(*shape: int) -> Spec:
    """Numbers with infinities, NaN, zeros of both signs and the smallest there is."""
    odd = [math.inf, -math.inf, math.nan, 0.0, -0.0, 1e-45, 3e38]

    def make(g: Any) -> Any:
        x = mg.randn(shape, generator=g)
        which = mg.randint(0, 3 * len(odd), shape, generator=g)
        chosen = mg.tensor(odd)[which.clamp_max(len(odd) - 1)]
        return mg.where(which < len(odd), chosen, x).requires_grad_()

    return make


ROW, ROWS, IMAGES, VOLUMES = (
    normal(4, 6), normal(2, 4, 6), normal(2, 4, 6, 6), normal(2, 2, 4, 4, 4)
)  # fmt: skip
BY_AXES = {1: ROWS, 2: IMAGES, 3: VOLUMES}
CLASSES = whole(6, 4)

Case = tuple[Callable[..., Any], list[Spec]]

ACTIVATIONS = (
    "celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid "
    "mish quick_gelu relu relu6 selu sigmoid silu softplus softshrink softsign tanh tanhshrink "
    "gumbel_softmax normalize dropout alpha_dropout feature_alpha_dropout"
).split()
PAIRS = (
    "mse_loss l1_loss huber_loss smooth_l1_loss poisson_nll_loss pairwise_distance "
    "cosine_similarity"
).split()


def behind(function: Callable[..., Any], *more: Any, **options: Any) -> Callable[..., Any]:
    """Return a function whose last arguments are these."""
    return lambda *args: function(*args, *more, **options)


def of_copies(name: str, detached: bool = False) -> Callable[..., Any]:
    function = getattr(F, name)
    return lambda x: function((x.detach() if detached else x) * 1)


def unpooled(s: int) -> Callable[..., Any]:
    pool, unpool = getattr(F, f"max_pool{s}d"), getattr(F, f"max_unpool{s}d")
    return lambda x: unpool(*pool(x, 2, return_indices=True), 2)


FUNCTIONS: dict[str, Case] = {
    **{name: (getattr(F, name), [ROW]) for name in ACTIVATIONS},
    **{name: (getattr(F, name), [ROW, ROW]) for name in PAIRS},
    **{
        name: (behind(getattr(F, name), 1), [ROW])
        for name in ("softmax", "softmin", "log_softmax")
    },
    **{
        name: (of_copies(name), [ROW])
        for name in "celu_ hardtanh_ leaky_relu_ relu_ rrelu_".split()
    },
    **{name: (of_copies(name, True), [ROW]) for name in ("elu_", "selu_")},
    "kl_div": (lambda x, y: F.kl_div(x, y, reduction="batchmean"), [ROW, unit(4, 6)]),
    "threshold": (lambda x: F.threshold(x, 0.1, 2.0), [ROW]),
    "threshold_": (lambda x: F.threshold_(x * 1, 0.1, 2.0), [ROW]),
    "gumbel_softmax hard": (lambda x: F.gumbel_softmax(x, hard=True), [ROW]),
    "rrelu": (lambda x: F.rrelu(x, training=True), [ROW]),
    "prelu": (F.prelu, [ROW, normal(6)]),
    **{f"dropout{s}d": (getattr(F, f"dropout{s}d"), [x]) for s, x in BY_AXES.items()},
    **{f"{name}{s}d": (behind(getattr(F, f"{name}{s}d"), *more), [x])
       for name, more in (("avg_pool", (2,)), ("lp_pool", (2, 2)), ("adaptive_avg_pool", (3,)),
                          ("adaptive_max_pool", (3,)))
       for s, x in BY_AXES.items()},
    **{f"max_pool{s}d": (behind(getattr(F, f"max_pool{s}d"), 2, return_indices=True), [x])
       for s, x in BY_AXES.items()},
    **{f"max_unpool{s}d": (unpooled(s), [x]) for s, x in BY_AXES.items()},
    **{f"fractional_max_pool{s}d": (
        behind(getattr(F, f"fractional_max_pool{s}d"), 2, 2, return_indices=True), [BY_AXES[s]])
       for s in (2, 3)},
    "fractional_max_pool2d one": (
        lambda x, r: F.fractional_max_pool2d(x, 2, (1, 4), _random_samples=r.detach()),
        [IMAGES, unit(2, 4, 2)],
    ),
    "conv1d": (F.conv1d, [ROWS, normal(3, 4, 2), normal(3)]),
    "conv2d": (F.conv2d, [IMAGES, normal(3, 4, 2, 2)]),
    "conv3d": (F.conv3d, [VOLUMES, normal(3, 2, 2, 2, 2)]),
    "conv_transpose1d": (F.conv_transpose1d, [ROWS, normal(4, 3, 2)]),
    "conv_transpose2d": (F.conv_transpose2d, [IMAGES, normal(4, 3, 2, 2)]),
    "conv_transpose3d": (F.conv_transpose3d, [VOLUMES, normal(2, 3, 2, 2, 2)]),
    "linear": (F.linear, [ROW, normal(3, 6), normal(3)]),
    "bilinear": (F.bilinear, [ROW, normal(4, 5), normal(3, 6, 5)]),
    "layer_norm": (lambda x, w: F.layer_norm(x, (6,), w), [ROW, normal(6)]),
    "rms_norm": (lambda x, w: F.rms_norm(x, (6,), w), [ROW, normal(6)]),
    "batch_norm": (lambda x: F.batch_norm(x, None, None, training=True), [IMAGES]),
    "group_norm": (lambda x: F.group_norm(x, 2), [IMAGES]),
    "instance_norm": (F.instance_norm, [IMAGES]),
    "local_response_norm": (lambda x: F.local_response_norm(x, 2), [IMAGES]),
    "pad": (lambda x: F.pad(x, (1, 2), "reflect") + F.pad(x, (1, 2)), [IMAGES]),
    "interpolate": (lambda x: F.interpolate(x, size=(4, 9), mode="bicubic"), [IMAGES]),
    "upsample": (lambda x: F.upsample(x, scale_factor=2), [IMAGES]),
    "upsample_bilinear": (lambda x: F.upsample_bilinear(x, scale_factor=2), [IMAGES]),
    "upsample_nearest": (lambda x: F.upsample_nearest(x, scale_factor=2), [IMAGES]),
    "affine_grid": (lambda x: F.affine_grid(x, (2, 1, 3, 3)), [normal(2, 2, 3)]),
    "grid_sample": (F.grid_sample, [IMAGES, normal(2, 3, 3, 2)]),
    "grid_sample hostile": (F.grid_sample, [IMAGES, hostile(2, 3, 3, 2)]),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), [IMAGES]),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), [IMAGES]),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 2), [IMAGES]),
    "unfold": (lambda x: F.unfold(x, 2), [IMAGES]),
    "fold": (lambda x: F.fold(x, (3, 3), 2), [normal(2, 8, 4)]),
    "pdist": (F.pdist, [ROW]),
    "one_hot": (lambda t: F.one_hot(t, 6), [CLASSES]),
    "embedding": (F.embedding, [CLASSES, normal(6, 3)]),
    "embedding options": (
        lambda t, w: F.embedding(t, w, padding_idx=1, scale_grad_by_freq=True),
        [whole(3, 4, 5), normal(6, 3)],
    ),
    "embedding max_norm": (
        lambda t, w: F.embedding(t, w.detach().clone(), max_norm=1.0), [whole(6, 9), normal(6, 3)]
    ),
    "embedding_bag": (F.embedding_bag, [whole(6, 4, 3), normal(6, 3)]),
    **{f"embedding_bag padding {mode}": (
        lambda t, w, mode=mode: F.embedding_bag(t, w, padding_idx=1, mode=mode),
        [whole(3, 5, 2), hostile(6, 3)]) for mode in ("sum", "mean", "max")},
    **{f"embedding_bag offsets {mode}": (
        lambda t, w, o, mode=mode: F.embedding_bag(
            t, w, o.cumsum(0) - o[0], mode=mode, padding_idx=1, include_last_offset=mode == "sum"),
        [whole(6, 20), hostile(6, 3), whole(5, 4)]) for mode in ("sum", "mean", "max")},
    "embedding_bag weighted": (
        lambda t, w, s: F.embedding_bag(t, w, mode="sum", per_sample_weights=s),
        [whole(6, 4, 3), normal(6, 3), normal(4, 3)],
    ),
    "cross_entropy": (F.cross_entropy, [ROW, CLASSES]),
    "cross_entropy chances": (lambda x, p: F.cross_entropy(x, p.softmax(1)), [ROW, ROW]),
    "cross_entropy weight": (
        lambda x, t, w: F.cross_entropy(x, t, w.detach(), ignore_index=2, label_smoothing=0.1),
        [ROW, CLASSES, unit(6)],
    ),
    "cross_entropy hostile": (
        lambda x, t, w: F.cross_entropy(x, t, w.detach(), ignore_index=2),
        [hostile(4, 6), CLASSES, unit(6)],
    ),
    "nll_loss": (lambda x, t: F.nll_loss(x.log_softmax(1), t, ignore_index=-100), [ROW, CLASSES]),
    "nll_loss images": (F.nll_loss, [IMAGES, whole(4, 2, 6, 6)]),
    "binary_cross_entropy": (F.binary_cross_entropy, [unit(4, 6), unit(4, 6)]),
    "binary_cross_entropy_with_logits": (
        F.binary_cross_entropy_with_logits, [hostile(4, 6), unit(4, 6)]
    ),
    "multi_margin_loss": (lambda x, t, w: F.multi_margin_loss(x, t, weight=w.detach()),
                          [ROW, CLASSES, unit(6)]),
    "multilabel_margin_loss": (F.multilabel_margin_loss, [ROW, whole(6, 4, 6, low=-1)]),
    "multilabel_soft_margin_loss": (F.multilabel_soft_margin_loss, [ROW, unit(4, 6)]),
    "soft_margin_loss": (F.soft_margin_loss, [ROW, signs(4, 6)]),
    "hinge_embedding_loss": (F.hinge_embedding_loss, [ROW, signs(4, 6)]),
    "cosine_embedding_loss": (F.cosine_embedding_loss, [ROW, ROW, signs(4)]),
    "margin_ranking_loss": (F.margin_ranking_loss, [ROW, ROW, signs(4, 6)]),
    "triplet_margin_loss": (F.triplet_margin_loss, [ROW, ROW, ROW]),
    "triplet_margin_with_distance_loss": (F.triplet_margin_with_distance_loss, [ROW, ROW, ROW]),
    "gaussian_nll_loss": (F.gaussian_nll_loss, [ROW, ROW, unit(4, 6)]),
    "scaled_dot_product_attention": (F.scaled_dot_product_attention, [ROWS, ROWS, ROWS]),
    "scaled_dot_product_attention causal": (
        lambda q, k: F.scaled_dot_product_attention(q, k, k, is_causal=True),
        [ROWS, normal(2, 3, 6)],
    ),
    "scaled_dot_product_attention mask": (
        F.scaled_dot_product_attention, [ROWS, ROWS, ROWS, mask(4, 4)]
    ),
    "scaled_dot_product_attention full mask": (
        lambda q, m: F.scaled_dot_product_attention(q, q, q, ~m), [ROWS, some(2, 4, 4)]
    ),
    "scaled_dot_product_attention added": (
        F.scaled_dot_product_attention, [ROWS, ROWS, ROWS, added(4, 4)]
    ),
    "scaled_dot_product_attention hostile": (
        F.scaled_dot_product_attention, [hostile(2, 4, 6), ROWS, hostile(2, 4, 6), mask(2, 4, 4)]
    ),
}  # fmt: skip


OTHERS: dict[str, Case] = {
    "multinomial": (lambda x: (x.exp().multinomial(1), x.exp().multinomial(5, True)), [ROW]),
    "normal": (lambda x: mg.normal(x, x.abs()), [ROW]),
    "Normal": (lambda x: (d := mg.distributions.Normal(x, x.exp())).log_prob(d.rsample()), [ROW]),
    "Categorical": (lambda x: (d := mg.distributions.Categorical(logits=x)).log_prob(d.sample()),
                    [ROW]),
    "logaddexp": (lambda x, y: mg.autograd.grad(x.logaddexp(y).sum(), x, create_graph=True)[0],
                  [hostile(4, 6), hostile(4, 6)]),
    "triangles": (lambda x: x[tuple(mg.tril_indices(4, 6))] * x[tuple(mg.triu_indices(4, 4))].sum(),
                  [ROW]),
}  # fmt: skip


def layer(make: Callable[[], Any], *specs: Spec, call: Any = None) -> Any:
    return make, list(specs) or [ROW], call or (lambda module, *args: module(*args))


PLAIN = (
    "AlphaDropout CELU Dropout ELU FeatureAlphaDropout GELU GLU Hardshrink Hardsigmoid Hardswish "
    "Hardtanh Identity LeakyReLU LogSigmoid Mish PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus "
    "Softshrink Softsign Tanh Tanhshrink Flatten"
).split()
ROW_PAIRS = (
    "CosineSimilarity PairwiseDistance HuberLoss L1Loss MSELoss PoissonNLLLoss SmoothL1Loss"
).split()
SQUARE = nn.Transformer.generate_square_subsequent_mask(4)


def by_axes(name: str, *args: Any, **options: Any) -> dict[str, Any]:
    """Return the cases of layers of one to three axes."""
    return {
        f"{name}{s}d": layer(functools.partial(getattr(nn, f"{name}{s}d"), *args, **options), x)
        for s, x in BY_AXES.items()
        if hasattr(nn, f"{name}{s}d")
    }


def unpooling(s: int) -> Any:
    pool = getattr(nn, f"MaxPool{s}d")(2, return_indices=True)
    return layer(lambda: getattr(nn, f"MaxUnpool{s}d")(2), BY_AXES[s],
                 call=lambda module, x: module(*pool(x)))  # fmt: skip


CHANNELS = {1: 4, 2: 4, 3: 2}
LAYERS: dict[str, Any] = {
    **{name: layer(getattr(nn, name)) for name in PLAIN},
    **{name: layer(getattr(nn, name), ROW, ROW) for name in ROW_PAIRS},
    **{name: layer(functools.partial(getattr(nn, name), 1))
       for name in ("Softmax", "Softmin", "LogSoftmax")},
    "KLDivLoss": layer(lambda: nn.KLDivLoss(reduction="batchmean"), ROW, unit(4, 6)),
    **by_axes("AdaptiveAvgPool", 3), **by_axes("AdaptiveMaxPool", 3), **by_axes("AvgPool", 2),
    **by_axes("MaxPool", 2), **by_axes("LPPool", 2, 2), **by_axes("FractionalMaxPool", 2, 2),
    **by_axes("Dropout"), **by_axes("CircularPad", 1), **by_axes("ConstantPad", 1, 2.0),
    **by_axes("ReflectionPad", 1), **by_axes("ReplicationPad", 1), **by_axes("ZeroPad", 1),
    **{f"MaxUnpool{s}d": unpooling(s) for s in BY_AXES},
    **{f"{name}{s}d": layer(functools.partial(getattr(nn, f"{name}{s}d"), CHANNELS[s], 3, 2), x)
       for name in ("Conv", "ConvTranspose") for s, x in BY_AXES.items()},
    **{f"Lazy{name}{s}d": layer(functools.partial(getattr(nn, f"Lazy{name}{s}d"), 3, 2), x)
       for name in ("Conv", "ConvTranspose") for s, x in BY_AXES.items()},
    **{f"{name}{s}d": layer(functools.partial(
        getattr(nn, f"{name}{s}d"), CHANNELS[s], affine=True, track_running_stats=True), x)
       for name in ("BatchNorm", "InstanceNorm") for s, x in BY_AXES.items()},
    **{f"Lazy{name}{s}d": layer(getattr(nn, f"Lazy{name}{s}d"), x)
       for name in ("BatchNorm", "InstanceNorm") for s, x in BY_AXES.items()},
    "BatchNorm1d of all steps": layer(lambda: nn.BatchNorm1d(6, momentum=None)),
    "Linear": layer(lambda: nn.Linear(6, 3)),
    "LazyLinear": layer(lambda: nn.LazyLinear(3)),
    "Bilinear": layer(lambda: nn.Bilinear(6, 6, 3), ROW, ROW),
    "LayerNorm": layer(lambda: nn.LayerNorm(6)),
    "RMSNorm": layer(lambda: nn.RMSNorm(6)),
    "GroupNorm": layer(lambda: nn.GroupNorm(2, 4), IMAGES),
    "LocalResponseNorm": layer(lambda: nn.LocalResponseNorm(2), IMAGES),
    "Softmax2d": layer(nn.Softmax2d, IMAGES),
    "Threshold": layer(lambda: nn.Threshold(0.1, 2.0)),
    "Unflatten": layer(lambda: nn.Unflatten(1, (2, 3))),
    "Fold": layer(lambda: nn.Fold((3, 3), 2), normal(2, 8, 4)),
    "Unfold": layer(lambda: nn.Unfold(2), IMAGES),
    "ChannelShuffle": layer(lambda: nn.ChannelShuffle(2), IMAGES),
    "PixelShuffle": layer(lambda: nn.PixelShuffle(2), IMAGES),
    "PixelUnshuffle": layer(lambda: nn.PixelUnshuffle(2), IMAGES),
    "Upsample": layer(lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGES),
    "UpsamplingBilinear2d": layer(lambda: nn.UpsamplingBilinear2d(scale_factor=2), IMAGES),
    "UpsamplingNearest2d": layer(lambda: nn.UpsamplingNearest2d(scale_factor=2), IMAGES),
    "Embedding": layer(lambda: nn.Embedding(6, 3, padding_idx=1), CLASSES),
    "Embedding max_norm": layer(lambda: nn.Embedding(6, 3, max_norm=1.0), whole(6, 9)),
    "EmbeddingBag": layer(lambda: nn.EmbeddingBag(6, 3, max_norm=1.0), whole(6, 4, 3)),
    "EmbeddingBag offsets": layer(
        lambda: nn.EmbeddingBag(6, 3), whole(6, 20), whole(5, 4),
        call=lambda module, t, o: module(t, o.cumsum(0) - o[0]),
    ),
    "BCELoss": layer(nn.BCELoss, unit(4, 6), unit(4, 6)),
    "BCEWithLogitsLoss": layer(nn.BCEWithLogitsLoss, ROW, unit(4, 6)),
    "CrossEntropyLoss": layer(lambda: nn.CrossEntropyLoss(mg.arange(6) + 1.0), ROW, CLASSES),
    "NLLLoss": layer(nn.NLLLoss, ROW, CLASSES),
    "MultiMarginLoss": layer(nn.MultiMarginLoss, ROW, CLASSES),
    "MultiLabelMarginLoss": layer(nn.MultiLabelMarginLoss, ROW, whole(6, 4, 6, low=-1)),
    "MultiLabelSoftMarginLoss": layer(nn.MultiLabelSoftMarginLoss, ROW, unit(4, 6)),
    "SoftMarginLoss": layer(nn.SoftMarginLoss, ROW, signs(4, 6)),
    "HingeEmbeddingLoss": layer(nn.HingeEmbeddingLoss, ROW, signs(4, 6)),
    "CosineEmbeddingLoss": layer(nn.CosineEmbeddingLoss, ROW, ROW, signs(4)),
    "MarginRankingLoss": layer(nn.MarginRankingLoss, ROW, ROW, signs(4, 6)),
    "TripletMarginLoss": layer(nn.TripletMarginLoss, ROW, ROW, ROW),
    "TripletMarginWithDistanceLoss": layer(nn.TripletMarginWithDistanceLoss, ROW, ROW, ROW),
    "GaussianNLLLoss": layer(nn.GaussianNLLLoss, ROW, ROW, unit(4, 6)),
    **{name: layer(functools.partial(getattr(nn, name), 6, 3), ROWS, call=lambda m, x: m(x)[0])
       for name in ("RNN", "LSTM", "GRU")},
    **{name: layer(functools.partial(getattr(nn, name), 6, 3)) for name in ("RNNCell", "GRUCell")},
    "LSTMCell": layer(lambda: nn.LSTMCell(6, 3)),
    "LSTM deep": layer(lambda: nn.LSTM(6, 3, 2, bidirectional=True, dropout=0.2), ROWS),
    "MultiheadAttention": layer(lambda: nn.MultiheadAttention(6, 2), ROWS,
                                call=lambda m, x: m(x, x, x)),
    "MultiheadAttention masks": layer(
        lambda: nn.MultiheadAttention(6, 2, batch_first=True), ROWS, some(4, 4), some(2, 4),
        call=lambda m, x, a, k: m(x, x, x, key_padding_mask=k, attn_mask=a),
    ),
    "TransformerEncoderLayer": layer(
        lambda: nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), ROWS, some(2, 4),
        call=lambda m, x, k: m(x, src_key_padding_mask=k),
    ),
    "TransformerEncoder": layer(
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), 2),
        ROWS, call=lambda m, x: m(x, mask=SQUARE, is_causal=True),
    ),
    "TransformerDecoderLayer": layer(lambda: nn.TransformerDecoderLayer(6, 2, 8), ROWS, ROWS),
    "TransformerDecoder": layer(
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 8, batch_first=True), 2),
        ROWS, ROWS, call=lambda m, x, y: m(x, y, tgt_mask=SQUARE),
    ),
    "Transformer": layer(
        lambda: nn.Transformer(6, 2, 1, 1, 8, batch_first=True), ROWS, ROWS,
        call=lambda m, x, y: m(x, y, tgt_mask=SQUARE, tgt_is_causal=True),
    ),
    "Sequential": layer(lambda: nn.Sequential(nn.Linear(6, 4), nn.ReLU())),
    "Linear weight_norm": layer(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 3))),
    "Linear spectral_norm": layer(lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(6, 3))),
    "Linear clipped": layer(
        lambda: nn.Linear(6, 3),
        call=lambda m, x: (m(x), nn.utils.clip_grad_norm_(m.parameters(), 0.1, 2.0, True)),
    ),
}  # fmt: skip


def tensors_in(result: Any) -> list[Any]:
    if isinstance(result, mg.Tensor):
        return [result]
    return [x for item in result for x in tensors_in(item)]


def bits(x: Any) -> Any:
    return None if x is None else (x.shape, x.dtype, x.detach().numpy().tobytes())


def trained(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step: forward, and backward from all that it gives."""

    def step(*args: Any) -> Any:
        found = tensors_in(call(*args))
        passing = [(y * y).sum() for y in found if y.requires_grad]
        if passing:
            mg.stack(passing).sum().backward()
        return [y.detach() for y in found]

    return step


def history(step: Callable[..., Any], specs: list[Spec], module: Any = None) -> Any:
    """Return the bits of all that calls with changing data give and change."""
    mg.manual_seed(7)
    told = []
    for i in range(CALLS):
        g = mg.Generator().manual_seed(40 + i)
        args = [spec(g) for spec in specs]
        if module is not None:
            module.zero_grad()
        told.append([bits(y) for y in step(*args)])
        told.append([bits(x.grad) for x in args])
        if module is not None:
            told.append([bits(x) for x in module.state_dict().values()])
            told.append([bits(p.grad) for p in module.parameters()])
    return told


def program_count(step: Any) -> int:
    return sum(len(found) for found in step.variants.values() if not isinstance(found, str))


@pytest.mark.parametrize("name", [*FUNCTIONS, *OTHERS])
def test_a_function_is_eager_s(name: str) -> None:
    call, specs = {**FUNCTIONS, **OTHERS}[name]
    program = mg.compile(trained(call))
    assert history(program, specs) == history(trained(call), specs)
    assert program_count(program) == 1


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_eager_s(name: str) -> None:
    make, specs, call = LAYERS[name]
    found = []
    for compiled in (True, False):
        mg.manual_seed(3)
        module = make()
        if name.startswith("Lazy"):
            call(module, *[spec(mg.Generator().manual_seed(1)) for spec in specs])
        step = trained(lambda *args, module=module: call(module, *args))
        if compiled:
            step = mg.compile(step)
        found.append(history(step, specs, module))
        assert not compiled or program_count(step) == 1
    assert found[0] == found[1]


def test_nothing_is_left_out() -> None:
    of_values = {"dot", "margin_loss", "mean", "rmsnorm", "sum"}
    functions = {name.split()[0] for name in FUNCTIONS} | {"multi_head_attention_forward"}
    assert functions == set(F.__all__) - of_values
    layers = {
        name
        for name in nn.__all__
        if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    containers = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}
    neurons = {"Layer", "MLP", "Neuron"}
    refused = {"AdaptiveLogSoftmaxWithLoss"}
    assert {name.split()[0] for name in LAYERS} == layers - containers - neurons - refused


# ---- checks of elements --------------------------------------------------------------------------

p, x, v = mg.tensor([0.2, 0.9]), mg.zeros(2, 3), mg.ones(2, 3)
CHECKS: dict[str, tuple[Callable[[Any], Any], Any, Any, type[Exception]]] = {
    "binary_cross_entropy": (
        lambda x: F.binary_cross_entropy(x, p), p, mg.tensor([0.5, 1.5]), ArgumentError
    ),
    "nll_loss": (
        lambda t: F.nll_loss(x, t), mg.tensor([0, 2]), mg.tensor([0, 3]), TensorIndexError
    ),
    "cross_entropy": (
        lambda t: F.cross_entropy(x, t, v[0]), mg.tensor([0, 2]), mg.tensor([-1, 0]),
        TensorIndexError,
    ),
    "multi_margin_loss": (
        lambda t: F.multi_margin_loss(x, t), mg.tensor([0, 2]), mg.tensor([-1, 0]), TensorIndexError
    ),
    "multilabel_margin_loss": (
        lambda t: F.multilabel_margin_loss(x, t), mg.tensor([[0, 2, -1], [1, -1, -1]]),
        mg.tensor([[0, 2, -1], [1, 3, -1]]), TensorIndexError,
    ),
    "gaussian_nll_loss": (lambda v: F.gaussian_nll_loss(x, x, v), v, v - 2, ArgumentError),
    "one_hot": (
        lambda t: F.one_hot(t, 3), mg.tensor([0, 2]), mg.tensor([0, 7]), ArgumentError
    ),
    "embedding_bag": (
        lambda o: F.embedding_bag(mg.tensor([0, 1]), x, o), mg.tensor([0, 1]), mg.tensor([1, 1]),
        ArgumentError,
    ),
    "embedding_bag falling": (
        lambda o: F.embedding_bag(mg.tensor([0, 1]), x, o), mg.tensor([0, 1]), mg.tensor([0, 3]),
        ArgumentError,
    ),
    "max_unpool1d": (
        lambda i: F.max_unpool1d(x[:1], i, 2), mg.tensor([[1, 2, 5]]), mg.tensor([[1, 2, 6]]),
        TensorIndexError,
    ),
    "normal": (lambda s: mg.normal(x, s), v, v - 2, ArgumentError),
    "bernoulli": (lambda p: mg.bernoulli(p), p, p + 1, ArgumentError),
    "Normal": (lambda s: mg.distributions.Normal(x, s), v, v - 2, ArgumentError),
    "multinomial": (lambda w: w.multinomial(1), v, v * mg.nan, ArgumentError),
    "get_total_norm": (
        lambda g: nn.utils.get_total_norm([g], error_if_nonfinite=True), p, p / 0, ArgumentError
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_holds_in_replays(name: str) -> None:
    call, good, bad, error = CHECKS[name]

    def make() -> Any:
        count, noise = mg.zeros(()), mg.Generator().manual_seed(3)

        def step(given: Any) -> Any:
            count.add_(1.0)  # what was done before stays done
            made = mg.rand(2, generator=noise)
            call(given)
            count.add_(10.0)
            return made

        return step, lambda: (bits(count), noise.get_state().tolist())

    (eager, state), (other, other_state) = make(), make()
    program = mg.compile(other)
    mg.manual_seed(1)
    for given in (good, bad, good, bad, bad, good):
        if given is good:
            assert bits(eager(given)) == bits(program(given))
        else:
            texts = []
            for one in (eager, program):
                with pytest.raises(error) as caught:
                    one(given)
                assert type(caught.value) is error
                texts.append(str(caught.value))
            assert texts[0] == texts[1]
        assert state() == other_state()
    assert program_count(program) == 1


def test_a_check_that_fails_first_makes_no_program() -> None:
    program = mg.compile(lambda x: F.binary_cross_entropy(x, p))
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        program(p + 1)
    assert [program(q).item() for q in (p, p)] == [F.binary_cross_entropy(p, p).item()] * 2


def test_what_has_no_fixed_shape_is_refused() -> None:
    with pytest.raises(RecordingError, match="say how many classes"):
        mg.compile(lambda t: F.one_hot(t))(mg.tensor([0, 1]))
    layer = nn.AdaptiveLogSoftmaxWithLoss(6, 6, [2, 4])
    with pytest.raises(RecordingError, match="fixed shapes"):
        mg.compile(lambda x: layer(x, mg.tensor([0, 5])))(mg.ones(2, 6))
