"""Pictures: of graphs of Values and Tensors, of modules, of a training run.

Names are imported when they are first used; those of a training run need matplotlib.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    "graphs": ("draw_dot", "to_dot", "to_mermaid", "trace", "vis_color"),
    "modules": ("summary",),
    "training": ("plot_losses", "plot_regions", "plot_training", "save_figure"),
}

__all__, __getattr__, __dir__ = names_of(globals(), HOMES)
