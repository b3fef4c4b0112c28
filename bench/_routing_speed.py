"""Time and memory of routing, for `bench/routing.py`."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from app.routing.directory import Directory
from app.routing.model import Model
from app.routing.noise import Characters, kinds_for, take_apart
from app.routing.recognition import Recogniser, RoutingQuery
from bench._routing_bars import Bar
from bench._routing_noise import held_out_kinds

ROOT = Path(__file__).resolve().parents[1]


def speed(directory: Directory, model: Model) -> list[Bar]:
    """Single look-ups on the clock (others on the machine count) and in processor time; many in processor time."""
    chance = random.Random(3)
    kinds = [*kinds_for(Characters(directory)).values(), *held_out_kinds(Characters(directory)).values()]
    queries = []
    for number in range(6000):
        typed = kinds[number % len(kinds)](take_apart(directory, chance.randrange(len(directory))), chance)
        queries.append(RoutingQuery(typed.text, city=typed.city))
    recogniser = Recogniser(directory, model)
    for query in queries[:300]:
        recogniser.recognise(query)
    times, busy = [], []
    for query in queries:
        start, worked = perf_counter(), process_time()
        recogniser.recognise(query)
        busy.append((process_time() - worked) * 1000)
        times.append((perf_counter() - start) * 1000)
    start = process_time()
    for query in queries:
        recogniser.recognise(query)
    rate = len(queries) / (process_time() - start)
    p99, busy_p99 = (sorted(each)[int(len(each) * 0.99)] for each in (times, busy))
    return [
        Bar("single look-up, median", median(times), median(times), 2.0, True, "ms"),
        Bar("single look-up, 99th percentile", p99, p99, 10.0, True, "ms"),
        Bar("the same in processor time", busy_p99, busy_p99, 10.0, True, "ms"),
        Bar("many, per second and core", rate, rate, 2000, False, "/s"),
    ]


_WORKER = """
import sys, time
sys.path.insert(0, sys.argv[1])
import app.routing.recognition
from pathlib import Path
from app.routing.artefact import open_file
from app.routing.directory import Directory
from app.routing.model import Model
from app.routing.recognition import Recogniser, RoutingQuery
def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return values["Rss"], values["Private_Clean"] + values["Private_Dirty"]
before = private()
start = time.perf_counter()
recogniser = Recogniser(Directory(open_file(Path(sys.argv[2]))), Model(open_file(Path(sys.argv[3]))))
recogniser.recognise(RoutingQuery("工商银行苏州中山路支行"))
ready = time.perf_counter() - start
for number in range(3000):
    recogniser.recognise(RoutingQuery(f"工商银行苏州{number}路支行"))
print(ready, *[after - was for was, after in zip(before, private())], private()[0])
"""


def worker(folder: Path) -> list[Bar]:
    """What a worker needs beyond what it is without routing, in a process of its own."""
    command = [sys.executable, "-c", _WORKER, str(ROOT), str(folder / "directory"), str(folder / "model")]
    ready, more, _, whole = map(
        float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    )
    return [
        Bar("worker ready", ready, ready, 2.0, True, "s"),
        Bar("memory of a worker, mapped files included", whole / 1024, whole / 1024, 300, True, "MB"),
        Bar("of that, for directory and model", more / 1024, more / 1024, 300, True, "MB"),
    ]
