"""What the face engine costs, beside dlib's own network in the same run.

    python bench/kyc.py [--quick] [--json]

Prints a table and ends with 1 when a bar is missed. Encoding times are CPU time of one thread, the best of several
rounds of a median; the stall is what a second Python thread, waking every millisecond, sees pass at most between
two wakes beyond what it sees while nothing else runs (median over rounds); the second worker's memory is the
private memory of a process forked from one that had loaded the engine, after a whole session.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
import warnings
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from bench._results import Result, report
from clients.demo.puppet import Puppet, astronaut, grace_hopper
from kyc.engine import load_engine
from kyc.facecheck import check_face
from kyc.liveness import STANDARD_FLASH
from kyc.ports import Image
from kyc.resnet import FaceResNet
from tests.attacks import stage

SESSION_FRAMES = 45


def chips() -> list[Image]:
    """Aligned crops of two people in several poses, as the engine cuts them, and noise."""
    import dlib  # noqa: PLC0415 - for comparison only
    import face_recognition_models  # noqa: PLC0415

    predictor = dlib.shape_predictor(face_recognition_models.pose_predictor_five_point_model_location())
    cut = [np.random.default_rng(5).integers(0, 256, (150, 150, 3), np.uint8)]
    for photograph in (astronaut, grace_hopper):
        puppet = Puppet(photograph())
        for pose in ({}, {"turn": 0.5}, {"mouth": 1.0}, {"nod": 0.7}):
            image = puppet.frame(**pose)
            box = load_engine().detect(image)[0]
            shape = predictor(image, dlib.rectangle(box.left, box.top, box.right, box.bottom))
            cut.append(dlib.get_face_chip(image, shape, size=150, padding=0.25))
    return cut


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """CPU time of this thread for one call: the least median over three groups of rounds."""
    work()
    medians = []
    for _ in range(3):
        times = []
        for _ in range(rounds):
            started = time.thread_time()
            work()
            times.append(time.thread_time() - started)
        medians.append(statistics.median(times))
    return min(medians) * 1000


def longest_wait(work: Callable[[], object] | None, seconds: float) -> float:
    """The median over rounds of the longest time in ms between two wakes of a thread that sleeps 1 ms."""
    gaps: list[float] = []
    done = threading.Event()

    def watch() -> None:
        before = time.perf_counter()
        while not done.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            gaps.append((now - before) * 1000)
            before = now

    watcher = threading.Thread(target=watch)
    watcher.start()
    longest, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        gaps.clear()
        if work is None:
            time.sleep(0.02)
        else:
            work()
        time.sleep(0.004)
        longest.append(max(gaps, default=0.0))
    done.set()
    watcher.join()
    return statistics.median(longest)


def private_megabytes() -> float:
    """Memory that this process shares with no other."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def session() -> stage.FaceCheckRequest:
    """A genuine session of 45 frames."""
    dice = np.random.default_rng(11)
    challenge = stage.challenge_for(STANDARD_FLASH, dice)
    colours = len(challenge.colours)
    moved = len(challenge.actions) - 1
    stage.FRAMES_PER_ACTION = -(-(SESSION_FRAMES - colours) // moved)
    frames = stage.film(stage.living("collins", dice), challenge, dice)
    surplus = len(frames) - SESSION_FRAMES
    return stage.request(frames[surplus:], challenge, dice, "collins")


def second_worker(request: stage.FaceCheckRequest) -> float:
    """Private memory in MB of a forked worker after one session, when the first had the engine loaded."""
    context = get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def work() -> None:
        check_face(request)
        sending.send(private_megabytes())
        os._exit(0)

    worker = context.Process(target=work)
    worker.start()
    megabytes = float(receiving.recv())
    worker.join()
    return megabytes


def measure(rounds: int, seconds: float) -> list[Result]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import dlib  # noqa: PLC0415 - for comparison only
        import face_recognition_models  # noqa: PLC0415

    load_engine()
    request = session()
    memory = second_worker(request)  # before anything of the comparison is in the first process
    weights = face_recognition_models.face_recognition_model_location()
    ours, theirs = FaceResNet(Path(weights)), dlib.face_recognition_model_v1(weights)
    faces = chips()
    difference = max(
        float(np.abs(ours.encode(chip) - np.array(theirs.compute_face_descriptor(chip))).max()) for chip in faces
    )
    idle = longest_wait(None, seconds)

    def stall(work: Callable[[], object]) -> float:
        return max(0.0, longest_wait(work, seconds) - idle)

    def judged() -> object:
        return check_face(request)

    return [
        _at_most("encode, OpenCV", milliseconds(lambda: ours.encode(faces[1]), rounds), "ms", 12),
        _at_most(
            "encode, dlib", milliseconds(lambda: theirs.compute_face_descriptor(faces[1]), max(3, rounds // 4)), "ms"
        ),
        _at_most("largest difference", difference, "", 1e-5),
        _at_most("stall by encoding, OpenCV", stall(lambda: ours.encode(faces[1])), "ms", 5),
        _at_most("stall by encoding, dlib", stall(lambda: theirs.compute_face_descriptor(faces[1])), "ms"),
        _at_most("idle wake", idle, "ms"),
        _at_most(
            f"session of {len(request.frames)} frames, CPU", milliseconds(judged, max(1, rounds // 10)) / 1000, "s", 1.0
        ),
        _at_most("second worker, private", memory, "MB", 80),
    ]


def _at_most(name: str, value: float, unit: str, bar: float | None = None) -> Result:
    return Result(name, value, unit, bar, at_least=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(rounds=10 if options.quick else 60, seconds=1.0 if options.quick else 5.0)
    return report(figures, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
