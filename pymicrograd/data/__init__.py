"""Data to learn from: data sets, samplers, DataLoader; points in the plane, made by a generator.

Names are imported when they are first used, so that points for scalars load no tensors.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    "collate": ("default_collate", "default_convert"),
    "datasets": (
        "ChainDataset", "ConcatDataset", "Dataset", "IterableDataset", "StackDataset", "Subset",
        "TensorDataset", "random_split",
    ),
    "images": ("mnist", "read_idx"),
    "loader": ("DataLoader",),
    "points": (
        "blobs", "circles", "digits", "linear_regression", "moons", "quadrants", "spirals",
        "yinyang",
    ),
    "samplers": (
        "BatchSampler", "RandomSampler", "Sampler", "SequentialSampler", "SubsetRandomSampler",
        "WeightedRandomSampler",
    ),
    "texts": ("names",),
    "toys": ("gen_data", "gen_data_linear", "gen_data_moons", "gen_data_yinyang", "split"),
    "workers": ("WorkerInfo", "get_worker_info"),
}  # fmt: skip

__all__, __getattr__, __dir__ = names_of(globals(), HOMES)
