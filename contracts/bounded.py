"""Work on files of strangers within bounds of time and memory: in a child process that may be lost.

For a parser no limit of its own is enough: one pathological structure may cost minutes, or all the memory there is.
The child gets an address space that is larger than its parent's by `MAX_MEMORY_BYTES` and no more, and is killed when
its time is over. Linux and macOS; the child is forked, so that arguments need not be picklable, only the result.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from contracts import validation
from contracts.errors import BoundsExceeded, ContractError
from contracts.report import SignatureReport, SubIndication, Verdict
from pki.path import TrustPolicy

MAX_SECONDS = 10.0
MAX_MEMORY_BYTES = 512 * 1024 * 1024

R = TypeVar("R")

_FORKED = multiprocessing.get_context("fork")


def run(
    task: Callable[..., R], *arguments: Any, seconds: float = MAX_SECONDS, memory: int = MAX_MEMORY_BYTES, **named: Any
) -> R:
    """`task(*arguments, **named)`, in at most so many seconds and bytes beyond what is in use already.

    Raises BoundsExceeded, and the task's own ContractError.
    """
    receiving, sending = _FORKED.Pipe(duplex=False)
    child = _FORKED.Process(target=_work, args=(sending, seconds, memory, task, arguments, named), daemon=True)
    child.start()
    sending.close()
    try:
        if not receiving.poll(seconds):
            raise BoundsExceeded(f"more than {seconds:g} s")
        good, value = receiving.recv()
    except (EOFError, OSError) as exc:
        raise BoundsExceeded("the child process ended without a result") from exc
    finally:
        child.kill()
        child.join()
        receiving.close()
    if good:
        return value  # type: ignore[no-any-return]
    raise value


def validate(
    pdf: bytes,
    trust: TrustPolicy,
    at: datetime,
    *,
    seconds: float = MAX_SECONDS,
    memory: int = MAX_MEMORY_BYTES,
    **evidence: Any,
) -> SignatureReport:
    """As `contracts.validation.validate`; a file that needs more than the bounds is INDETERMINATE."""
    try:
        return run(validation.validate, pdf, trust, at, seconds=seconds, memory=memory, **evidence)
    except BoundsExceeded as exc:
        why = f"the file cannot be validated within bounds: {exc}"
        digest = sha256(pdf).hexdigest()
        return SignatureReport(Verdict.INDETERMINATE, SubIndication.GENERIC, why, at, digest, False, ())


def _work(
    sending: Connection,
    seconds: float,
    memory: int,
    task: Callable[..., Any],
    arguments: tuple[Any, ...],
    named: dict[str, Any],
) -> None:
    if space := _address_space():
        _limit(resource.RLIMIT_AS, space + memory)
    _limit(resource.RLIMIT_CPU, int(seconds) + 1)  # ends it even where its parent is gone
    try:
        sending.send((True, task(*arguments, **named)))
    except ContractError as exc:
        sending.send((False, exc))
    except MemoryError:
        sending.send((False, BoundsExceeded(f"more than {memory // 2**20} MiB")))
    except Exception as exc:  # the parent must learn of it, and not everything can be pickled
        sending.send((False, ContractError(f"{type(exc).__name__}: {exc}")))


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, hard))


def _address_space() -> int:
    """Bytes that this process has mapped; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
