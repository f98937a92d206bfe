"""The names of `pymicrograd.distributed`; written by tools/names.py."""

from .group import (
    Group as Group,
    barrier as barrier,
    get_rank as get_rank,
    get_world_size as get_world_size,
    is_available as is_available,
    world as world,
)
from .parallel import (
    DataParallel as DataParallel,
)
from .samplers import (
    DistributedSampler as DistributedSampler,
)

HOMES: dict[str, tuple[str, ...]]
__all__ = [
    "DataParallel",
    "DistributedSampler",
    "Group",
    "barrier",
    "get_rank",
    "get_world_size",
    "is_available",
    "world",
]

def __dir__() -> list[str]: ...
