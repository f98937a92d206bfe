"""The cost model of docs/scaling.md: `python -m bench.scaling` measures and prints its tables.

`--write` puts them into the page. They follow from what stands in the page's first line of numbers:
tests/test_distributed.py makes them again from there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from .distributed import BATCH, run_ranks
from .runner import ROOT

PAGE = ROOT / "docs/scaling.md"
BEGIN, END = "<!-- measured: ", "<!-- end of what bench/scaling.py writes -->\n"
RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SHARDS, EXAMPLES = 1024, 64  # of the predictions: shards of a batch, examples of a shard
ROUNDS, TURNS = 3, 25
PAYS = 1.5  # how many times as fast twice as many ranks have to be
# What makes MPICH take TCP between ranks of one machine.
BY_TCP = {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self"}
NETWORK_CARD = 2.5e-6  # seconds, the least that Rumble et al. give


@dataclass(frozen=True)
class Measured:
    """Seconds, and bytes a second, as they were measured; one thread a rank.

    Attributes:
        elements: parameters of the network.
        shard: forward, backward and addition of a shard, besides its examples, for a parameter.
        example: the same of an example, for a parameter.
        update: of the optimizer, for a parameter; addition: of two buffers, for a parameter.
        latency, bandwidth: of a swap of two ranks in this machine's memory.
        tcp, tcp_bandwidth: the same through this machine's TCP.
        one, two: steps of 8 shards and 512 examples, by one rank and by two.
        two_by_tcp: by two ranks through TCP.
    """

    elements: int
    shard: float
    example: float
    update: float
    addition: float
    latency: float
    bandwidth: float
    tcp: float
    tcp_bandwidth: float
    one: float
    two: float
    two_by_tcp: float


@dataclass(frozen=True)
class Network:
    """What a message costs: latency in seconds, bandwidth in bytes a second, each way."""

    name: str
    latency: float
    bandwidth: float


def networks(measured: Measured) -> tuple[Network, ...]:
    """Return the networks of the predictions."""
    payload = 1460 / 1538  # of a frame of Ethernet, less the headers of TCP and IP
    return (
        Network("this machine's memory", measured.latency, measured.bandwidth),
        Network("Ethernet, 10 Gb/s, TCP", measured.tcp + 2 * NETWORK_CARD, 1.25e9 * payload),
        Network("InfiniBand HDR, 200 Gb/s", measured.latency + 0.6e-6, 25e9),
    )


def step(
    measured: Measured, ranks: int, shards: int, examples: int, elements: int, network: Network
) -> float:
    """Return the seconds of a step.

    Args:
        examples: of a shard; elements: parameters, of float32.
    """
    own = math.ceil(shards / ranks)
    compute = own * elements * (measured.shard + examples * measured.example)
    update = elements * measured.update
    if ranks == 1:
        return compute + update
    rounds = math.ceil(math.log2(ranks))
    share = 1.0 - 1.0 / ranks
    messages = 3 * rounds * network.latency  # a meeting, halving, doubling
    moved = 2 * share * 4 * elements / network.bandwidth
    return compute + update + messages + moved + share * elements * measured.addition


# ---- what is measured --------------------------------------------------------------------------


def measure() -> Measured:
    """Measure everything; contestants take turns."""
    small = BATCH // 4
    best: dict[str, float] = {}
    parts, links, tcp = [], [], []

    def note(name: str, turns: list[list[float]]) -> None:
        best[name] = min([best.get(name, math.inf), *(wall for wall, _ in turns)])

    for _ in range(ROUNDS):
        found = run_ranks(2, "train", 8, BATCH, TURNS)
        note("one", found["one"])
        note("two", found["all"])
        note("small", run_ranks(1, "train", 8, small, TURNS)["one"])
        note("two by tcp", run_ranks(2, "train", 8, BATCH, TURNS, **BY_TCP)["all"])
        parts.append(run_ranks(1, "parts"))
        links.append(run_ranks(2, "link"))
        tcp.append(run_ranks(2, "link", **BY_TCP))
    elements = parts[0]["elements"]
    update = min(part["update"] for part in parts)
    example = (best["one"] - best["small"]) / (BATCH - small)
    shard = (best["small"] - update * elements - small * example) / 8
    return Measured(
        elements=elements,
        shard=shard / elements,
        example=example / elements,
        update=update,
        addition=min(part["addition"] for part in parts),
        latency=min(link["latency"] for link in links),
        bandwidth=statistics.median(link["bandwidth"] for link in links),
        tcp=min(link["latency"] for link in tcp),
        tcp_bandwidth=statistics.median(link["bandwidth"] for link in tcp),
        one=best["one"],
        two=best["two"],
        two_by_tcp=best["two by tcp"],
    )


# ---- the page ----------------------------------------------------------------------------------


def tables(measured: Measured) -> str:
    """Return what the page says of numbers."""
    rounded = {
        k: float(f"{x:.4g}") if isinstance(x, float) else x for k, x in vars(measured).items()
    }
    own = Measured(**rounded)
    lines = [f"{BEGIN}{json.dumps(asdict(own))} -->", ""]
    lines += ["| what | here |", "| --- | ---: |"]
    nano = 1e9
    lines += [
        f"| g, a shard, for a parameter | {own.shard * nano:.2f} ns |",
        f"| f, an example, for a parameter | {own.example * nano * 1e3:.1f} ps |",
        f"| u, the update (AdamW), for a parameter | {own.update * nano:.2f} ns |",
        f"| a, an addition, for a parameter | {own.addition * nano:.2f} ns |",
        f"| L, a swap of 8 bytes between two ranks, by memory | {own.latency * 1e6:.1f} us |",
        f"| B, of a swap of half a gradient, each way | {own.bandwidth * 1e-9:.1f} GB/s |",
        f"| L through TCP, both ends on this machine | {own.tcp * 1e6:.1f} us |",
        f"| B through TCP | {own.tcp_bandwidth * 1e-9:.1f} GB/s |",
        "",
    ]
    one, two, by_tcp = (
        step(own, ranks, 8, BATCH // 8, own.elements, network)
        for ranks, network in (
            (1, networks(own)[0]),
            (2, networks(own)[0]),
            (2, Network("TCP", own.tcp, own.tcp_bandwidth)),
        )
    )
    lines += ["| 8 shards of 64, ms a step | measured | the model |", "| --- | ---: | ---: |"]
    for title, found, said in (
        ("1 rank", own.one, one),
        ("2 ranks, by memory", own.two, two),
        ("2 ranks, through TCP", own.two_by_tcp, by_tcp),
    ):
        lines.append(f"| {title} | {1e3 * found:.1f} | {1e3 * said:.1f} |")
    lines += [f"| times as fast by memory | {own.one / own.two:.2f} | {one / two:.2f} |"]
    lines += [f"| and through TCP | {own.one / own.two_by_tcp:.2f} | {one / by_tcp:.2f} |", ""]
    lines += [f"| times as fast with | {' | '.join(map(str, RANKS[1:]))} | pays up to |"]
    lines += ["| --- |" + " ---: |" * len(RANKS)]
    for elements, title in ((own.elements, "MLP, 0.67 M"), (10**8, "100 M")):
        for network in networks(own)[1:]:
            seconds = [step(own, r, SHARDS, EXAMPLES, elements, network) for r in RANKS]
            speeds = [f"{seconds[0] / x:.3g}" for x in seconds[1:]]
            lines.append(f"| {title}; {network.name} | {' | '.join(speeds)} | {last(seconds)} |")
    for network in networks(own)[1:]:
        seconds = [step(own, r, 8, EXAMPLES, own.elements, network) for r in RANKS[:4]]
        speeds = [f"{seconds[0] / x:.3g}" for x in seconds[1:]] + [""] * 7
        lines.append(f"| MLP, 8 shards; {network.name} | {' | '.join(speeds)} | {last(seconds)} |")
    return "\n".join([*lines, "", END])


def last(seconds: list[float]) -> int:
    """Return the most ranks of which each doubling has paid."""
    found = 1
    for i, (before, after) in enumerate(itertools.pairwise(seconds), 1):
        if before / after < PAYS:
            break
        found = RANKS[i]
    return found


def read(text: str) -> Measured:
    """Return what a page says was measured."""
    line = text[text.index(BEGIN) + len(BEGIN) :].split(" -->")[0]
    return Measured(**json.loads(line))


def written(text: str, measured: Measured) -> str:
    """Return a page with the tables of other measurements."""
    before, rest = text.split(BEGIN)
    return before + tables(measured) + rest.split(END)[1]


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scaling.md")
    parser.add_argument("--again", action="store_true", help="with the numbers that stand there")
    arguments = parser.parse_args()
    text = Path(PAGE).read_text(encoding="utf-8")
    measured = read(text) if arguments.again else measure()
    print(tables(measured))
    if arguments.write:
        Path(PAGE).write_text(written(text, measured), encoding="utf-8")


if __name__ == "__main__":
    main()
