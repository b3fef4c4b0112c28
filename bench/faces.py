"""How often the face comparison errs on photographs that you bring, for stock face_recognition and for ours.

    python bench/faces.py --dataset DIR [--trials N] [--landmarks five-point] [--json]

DIR has one folder of JPEG or PNG photographs per person, at least two people and two photographs of each. One
photograph plays the portrait and 1 to 5 others the live frames. Genuine trials are drawn per person and impostor
trials per ordered pair of people, from a fixed seed. FAR and FRR are printed at the shipped threshold of each
number of frames, and the equal error rate beside them; "stock" is face_recognition's encoding of one frame at its
default tolerance of 0.6. Photographs without exactly one face are left out and counted.

No photographs come with this repository: whoever runs this must have the right to use them for it. Nothing is kept.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from kyc.engine import DlibEngine, load_engine
from kyc.errors import ImageRejected
from kyc.images import PORTRAIT, decode_image, shrink
from kyc.matching import STANDARD, MatchPolicy, encode_face, face_distance
from kyc.ports import Alignment, Encoding

LONGEST_SIDE = 1280
MOST_FRAMES = 5
STOCK_TOLERANCE = 0.6
FAR_BAR, FRR_BAR, BAR_FRAMES = 0.001, 0.05, 3


@dataclass(frozen=True)
class Person:
    """The encodings of one person's usable photographs, ours and stock's, in the same order."""

    name: str
    ours: tuple[Encoding, ...]
    stock: tuple[Encoding, ...]


@dataclass(frozen=True)
class Row:
    method: str
    frames: int
    threshold: float | None
    genuine: int
    impostor: int
    far: float | None
    frr: float | None
    equal_error_rate: float
    equal_error_threshold: float


def encode(path: Path, engine: DlibEngine, policy: MatchPolicy) -> tuple[Encoding, Encoding] | None:
    """Our encoding and stock's of the one face in a photograph; None where it cannot be used."""
    import face_recognition  # noqa: PLC0415 - for comparison only

    try:
        image = shrink(decode_image(path.read_bytes(), PORTRAIT), LONGEST_SIDE)
    except ImageRejected:
        return None
    boxes = engine.detect(image)
    if len(boxes) != 1:
        return None
    box = boxes[0]
    place = [(box.top, box.right, box.bottom, box.left)]
    stock = face_recognition.face_encodings(image, place, model="small")[0]
    return encode_face(engine, image, box, policy), np.asarray(stock, dtype=np.float64)


def read_people(folder: Path, engine: DlibEngine, policy: MatchPolicy) -> tuple[list[Person], int]:
    """Everybody with two usable photographs or more, and how many photographs were left out."""
    people, left_out = [], 0
    for home in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(path for path in home.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
        encoded = [encode(path, engine, policy) for path in files]
        usable = [pair for pair in encoded if pair is not None]
        left_out += len(encoded) - len(usable)
        if len(usable) > 1:
            people.append(Person(home.name, tuple(a for a, _ in usable), tuple(b for _, b in usable)))
    return people, left_out


def distances(first: Sequence[Encoding], second: Sequence[Encoding], frames: int, trials: int) -> Iterator[float]:
    """Portrait of one against the mean of `frames` of the other, the portrait itself never among them."""
    dice = np.random.default_rng(7)
    same = first is second
    if len(second) < frames + same:
        return
    for _ in range(trials):
        portrait = int(dice.integers(len(first)))
        others = [i for i in range(len(second)) if not (same and i == portrait)]
        chosen = dice.permutation(others)[:frames]
        yield face_distance(first[portrait], np.mean([second[i] for i in chosen], axis=0))


def row(
    method: str, frames: int, threshold: float | None, sets: Sequence[Sequence[Encoding]], trials: int
) -> Row | None:
    genuine = np.array([d for one in sets for d in distances(one, one, frames, trials)])
    each = max(1, trials // max(1, len(sets) - 1))
    impostor = np.array([d for a, b in itertools.permutations(sets, 2) for d in distances(a, b, frames, each)])
    if not len(genuine) or not len(impostor):
        return None
    candidates = np.unique(np.concatenate([genuine, impostor]))
    false_accepts = np.searchsorted(np.sort(impostor), candidates, side="right") / len(impostor)
    false_rejects = 1 - np.searchsorted(np.sort(genuine), candidates, side="right") / len(genuine)
    at = int(np.argmin(np.abs(false_accepts - false_rejects)))
    return Row(
        method,
        frames,
        threshold,
        len(genuine),
        len(impostor),
        None if threshold is None else float((impostor <= threshold).mean()),
        None if threshold is None else float((genuine > threshold).mean()),
        float((false_accepts[at] + false_rejects[at]) / 2),
        float(candidates[at]),
    )


def measure(people: Sequence[Person], policy: MatchPolicy, trials: int) -> list[Row]:
    shipped = dict(policy.thresholds)
    rows = [row("stock", 1, STOCK_TOLERANCE, [person.stock for person in people], trials)]
    rows += [
        row("ours", frames, shipped.get(frames), [person.ours for person in people], trials)
        for frames in range(1, MOST_FRAMES + 1)
    ]
    return [each for each in rows if each is not None]


def is_missed(each: Row) -> bool:
    held = each.method == "ours" and each.frames == BAR_FRAMES and each.far is not None and each.frr is not None
    return held and (each.far > FAR_BAR or each.frr > FRR_BAR)


def percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2%}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="one folder of photographs per person")
    parser.add_argument("--trials", type=int, default=200, help="per person, genuine and impostor each")
    parser.add_argument("--landmarks", type=Alignment, default=Alignment.SIXTY_EIGHT_POINT, choices=list(Alignment))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.dataset is None:
        print("bench/faces.py: nothing measured; bring photographs with --dataset DIR (see --help)")
        return 0
    policy = STANDARD
    if options.landmarks is Alignment.FIVE_POINT:
        policy = replace(policy, alignments=(Alignment.FIVE_POINT,))
    people, left_out = read_people(options.dataset, load_engine(options.landmarks), policy)
    if len(people) < 2:
        parser.error("two people with two usable photographs each are the least that can be compared")
    rows = measure(people, policy, options.trials)
    if options.json:
        print(json.dumps([asdict(each) for each in rows], indent=1))
    else:
        used = sum(len(person.ours) for person in people)
        print(f"{len(people)} people, {used} photographs, {left_out} left out; policy {policy.name} {policy.version}")
        print(f"{'':8}{'frames':>7}{'genuine':>9}{'impostor':>9}{'at':>7}{'FAR':>9}{'FRR':>9}{'EER':>9}{'EER at':>8}")
        for each in rows:
            at = "-" if each.threshold is None else f"{each.threshold:.3f}"
            rates = f"{percent(each.far):>9}{percent(each.frr):>9}{each.equal_error_rate:9.2%}"
            missed = "  MISSED" if is_missed(each) else ""
            counts = f"{each.method:8}{each.frames:7}{each.genuine:9}{each.impostor:9}{at:>7}"
            print(f"{counts}{rates}{each.equal_error_threshold:8.3f}{missed}")
    return int(any(is_missed(each) for each in rows))


if __name__ == "__main__":
    sys.exit(main())
