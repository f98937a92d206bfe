"""Training on several machines, by mpi4py, with the same bits as on one.

    mpiexec -n 4 pymicrograd train --data digits

A batch is cut into shards, 8 unless the program says otherwise. Who computes them changes no bit:
each has its own gradients, and these are added in the order of csrc/SPEC.md, whoever has them.

    parallel = DataParallel(model, shards=8)
    for x, y in loader:  # whole batches, the same ones on every rank
        optimizer.zero_grad()
        loss = parallel.backward(lambda x, y: F.cross_entropy(model(x), y), x, y)
        optimizer.step()

Started without mpiexec this is a program of one process, and needs no mpi4py. Ranks compare what
they do at each step: one that does something else, or fails, is an error on every rank.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    "group": ("Group", "barrier", "get_rank", "get_world_size", "is_available", "world"),
    "parallel": ("DataParallel",),
    "samplers": ("DistributedSampler",),
}
INSTEAD = {
    "init_process_group": "mpiexec starts the ranks, and the first use finds them",
    "destroy_process_group": "the end of the program ends them",
    "all_reduce": "DataParallel adds gradients in a written order; mpi4py adds in any",
    "DistributedDataParallel": "DataParallel(model, shards=8)",
}

__all__, __getattr__, __dir__ = names_of(globals(), HOMES, (), INSTEAD)
