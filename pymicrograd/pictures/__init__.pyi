"""The names of `pymicrograd.pictures`; written by tools/names.py."""

from .graphs import (
    draw_dot as draw_dot,
    to_dot as to_dot,
    to_mermaid as to_mermaid,
    trace as trace,
    vis_color as vis_color,
)
from .modules import (
    summary as summary,
)
from .training import (
    plot_losses as plot_losses,
    plot_regions as plot_regions,
    plot_training as plot_training,
    save_figure as save_figure,
)

HOMES: dict[str, tuple[str, ...]]
__all__ = [
    "draw_dot",
    "plot_losses",
    "plot_regions",
    "plot_training",
    "save_figure",
    "summary",
    "to_dot",
    "to_mermaid",
    "trace",
    "vis_color",
]

def __dir__() -> list[str]: ...
