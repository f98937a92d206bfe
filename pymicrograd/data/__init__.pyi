"""The names of `pymicrograd.data`; written by tools/names.py."""

from .collate import (
    default_collate as default_collate,
    default_convert as default_convert,
)
from .datasets import (
    ChainDataset as ChainDataset,
    ConcatDataset as ConcatDataset,
    Dataset as Dataset,
    IterableDataset as IterableDataset,
    StackDataset as StackDataset,
    Subset as Subset,
    TensorDataset as TensorDataset,
    random_split as random_split,
)
from .images import (
    mnist as mnist,
    read_idx as read_idx,
)
from .loader import (
    DataLoader as DataLoader,
)
from .points import (
    blobs as blobs,
    circles as circles,
    digits as digits,
    linear_regression as linear_regression,
    moons as moons,
    quadrants as quadrants,
    spirals as spirals,
    yinyang as yinyang,
)
from .samplers import (
    BatchSampler as BatchSampler,
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
    SubsetRandomSampler as SubsetRandomSampler,
    WeightedRandomSampler as WeightedRandomSampler,
)
from .texts import (
    names as names,
)
from .toys import (
    gen_data as gen_data,
    gen_data_linear as gen_data_linear,
    gen_data_moons as gen_data_moons,
    gen_data_yinyang as gen_data_yinyang,
    split as split,
)
from .workers import (
    WorkerInfo as WorkerInfo,
    get_worker_info as get_worker_info,
)

HOMES: dict[str, tuple[str, ...]]
__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "blobs",
    "circles",
    "default_collate",
    "default_convert",
    "digits",
    "gen_data",
    "gen_data_linear",
    "gen_data_moons",
    "gen_data_yinyang",
    "get_worker_info",
    "linear_regression",
    "mnist",
    "moons",
    "names",
    "quadrants",
    "random_split",
    "read_idx",
    "spirals",
    "split",
    "yinyang",
]

def __dir__() -> list[str]: ...
