"""Averages of a model's weights over training, and the schedule that goes with them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

from .. import _core
from ..nn.module import Module
from .lr_scheduler import LRScheduler, check_optimizer, per_group

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip


def get_swa_avg_fn() -> Callable[[Any, Any, Any], Any]:
    """Return the function of the mean of all models so far (arXiv:1803.05407)."""
    return lambda average, current, count: average + (current - average) / (int(count) + 1)


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], Any]:
    """Return the function of a mean that keeps the share `decay` of the past.

    Args:
        decay: from 0 to 1.
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"decay is from 0 to 1, not {decay!r}")
    return lambda average, current, count: decay * average + (1.0 - decay) * current


def over_lists(average_of: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], None]:
    """Return the function of lists that writes new averages over the old ones."""

    def update(averages: Iterable[Any], currents: Iterable[Any], count: Any) -> None:
        for average, current in zip(averages, currents, strict=True):
            average.copy_(average_of(average, current, count))

    return update


def get_swa_multi_avg_fn() -> Callable[[Any, Any, Any], None]:
    """Return `get_swa_avg_fn` for a list of averages, which are overwritten."""
    return over_lists(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], None]:
    """Return `get_ema_avg_fn` for a list of averages, which are overwritten."""
    return over_lists(get_ema_avg_fn(decay))


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's over time.

    Args:
        model: the model, of Tensors.
        device: "cpu".
        avg_fn: a function (average, current, count) of Tensors that returns the new average; None
            is the mean of all so far.
        multi_avg_fn: instead, a function (averages, currents, count) of lists of Tensors that
            overwrites the averages.
        use_buffers: average the buffers, too; otherwise they are copied.

    Attributes:
        module: the copy.
        n_averaged: how many models are in it.
    """

    n_averaged: Any

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: Callable[[Any, Any, Any], Any] | None = None,
        multi_avg_fn: Callable[[Any, Any, Any], Any] | None = None,
        use_buffers: bool = False,
    ) -> None:
        from ..tensors.conversion import new
        from ..tensors.devices import check_device
        from ..tensors.dtypes import int64

        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: one of avg_fn and multi_avg_fn, not both")
        if device is not None:
            check_device(device)
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", new(0, int64))
        self.multi_avg_fn = multi_avg_fn or over_lists(avg_fn or get_swa_avg_fn())
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **named: Any) -> Any:
        """Return what the averaged model returns."""
        return self.module(*args, **named)

    def update_parameters(self, model: Any) -> None:
        """Take the model as it is now into the average."""
        count = int(self.n_averaged)
        ours, its = list(self.module.parameters()), list(model.parameters())
        buffers = list(self.module.buffers()), list(model.buffers())
        if self.use_buffers:
            ours, its, buffers = ours + buffers[0], its + buffers[1], ([], [])
        with _core.no_grad():
            averages: list[Any] = []
            currents: list[Any] = []
            for average, current in zip(ours, its, strict=True):
                if count > 0 and current.is_floating_point():
                    averages.append(average.detach())
                    currents.append(current.detach())
                else:
                    average.copy_(current.detach())
            if averages:
                self.multi_avg_fn(averages, currents, count)
            for average, current in zip(*buffers, strict=True):
                average.copy_(current)
            self.n_averaged.fill_(count + 1)


def update_bn(loader: Iterable[Any], model: Any, device: Any = None) -> None:
    """Compute the running means of a model's batch norms again, as means over all batches.

    Args:
        loader: gives batches: inputs, or lists or tuples that begin with them.
        model: the model.
        device: "cpu".
    """
    norms = [m for m in model.modules() if hasattr(m, "reset_running_stats")]
    if not norms:
        return
    momenta = [m.momentum for m in norms]
    was_training = model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    try:
        with _core.no_grad():
            for batch in loader:
                model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """Lead the learning rate to another one, where it stays.

    Args:
        optimizer, last_epoch: as for LRScheduler.
        swa_lr: the rate that is reached, or a list of them, one for each group.
        anneal_epochs: in how many steps.
        anneal_strategy: "cos" or "linear".
    """

    def __init__(
        self,
        optimizer: Any,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs is an int from 0, not {anneal_epochs!r}")
        rates = per_group("swa_lr", swa_lr, optimizer)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, n: int) -> float:
        """Return the part of the way that is gone at step n."""
        part = max(0.0, min(1.0, n / max(1, self.anneal_epochs)))
        return part if self.anneal_strategy == "linear" else (1.0 - math.cos(math.pi * part)) / 2.0

    def get_lr(self) -> list[Any]:
        n = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        last = self._share(n - 1)
        share = self._share(n)
        values = []
        for group, rate in zip(self.optimizer.param_groups, self.rates(), strict=True):
            target = group["swa_lr"]
            first = target if last == 1.0 else (rate - last * target) / (1.0 - last)
            values.append(target * share + first * (1.0 - share))
        return values

    get_lr.__doc__ = LRScheduler.get_lr.__doc__
