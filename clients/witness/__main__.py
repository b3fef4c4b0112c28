"""`python -m clients.witness`: watches one journal from outside, with a key and a store of its own.

    python -m clients.witness init FOLDER --name w.example --url http://bank.example/pki --log-certificate log.pem
    python -m clients.witness once FOLDER        # or: run FOLDER --every 60

`init` prints the public key, which the bank adds with `flask pki witness NAME KEY`. Each round fetches the newest head
and the proof that it continues the last one cosigned here, cosigns it, keeps the note and hands the cosignature in. A
head that does not continue the last, or is one of another origin than the first, is not cosigned: both are kept in
FOLDER/forks, and the status is 2. So it is where a journal that had a head has none any more.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from clients.witness.folder import WitnessFolder
from clients.witness.journal import JournalUnreachable, PublicJournal
from pki.errors import CheckpointForked, CheckpointOutdated, InvalidProof, PkiError
from pki.witness import Witness

FORKED, FAILED = 2, 1


def main(arguments: list[str] | None = None) -> int:
    """0: cosigned, or nothing new; 1: the journal could not be read or its head is not signed; 2: it broke its word.

    Status 2 is a fork, another origin, or no head where one was cosigned.
    """
    asked = _parser().parse_args(arguments)
    if asked.act == "init":
        folder = WitnessFolder.create(asked.folder, asked.name, asked.url, asked.log_certificate.read_bytes())
        print(f"{folder.name} {folder.public_key}")
        return 0
    folder = WitnessFolder.open(asked.folder)
    if asked.act == "once":
        return witness_once(folder)
    while True:
        status = witness_once(folder)
        if status == FORKED:
            return status
        time.sleep(asked.every)


def witness_once(folder: WitnessFolder) -> int:
    """One round. Prints what happened."""
    journal = PublicJournal(folder.url)
    witness = Witness(folder, folder.key, folder.name, lambda: datetime.now(UTC))
    seen = folder.newest_head()
    try:
        note = journal.newest()
    except JournalUnreachable as exc:
        print(f"not cosigned: {exc}")
        return FAILED
    if note is None and seen is not None:
        print(f"GONE  the journal has no head, but one of {seen.size} leaves was cosigned; it is in newest.note")
        return FORKED
    if note is None:
        print("the journal has no head yet")
        return 0
    try:
        head = folder.read_head(note)
        if seen is not None and head.origin != seen.origin:
            return _fork(folder, note, f"the head is of {head.origin}, and the log is {seen.origin}")
        proof = journal.consistency(seen.size if seen else 0, head.size) if not seen or seen.size < head.size else []
        cosigned = witness.cosign(note, proof, folder.log_key)
    except (CheckpointForked, CheckpointOutdated, InvalidProof) as exc:
        return _fork(folder, note, str(exc))
    except (PkiError, JournalUnreachable) as exc:
        print(f"not cosigned: {exc}")
        return FAILED
    folder.keep_note(cosigned)
    try:
        journal.hand_in(cosigned)
    except JournalUnreachable as exc:
        print(f"cosigned {head.size} leaves, but the journal did not take it: {exc}")
        return FAILED
    print(f"cosigned {head.size} leaves")
    return 0


def _fork(folder: WitnessFolder, note: bytes, reason: str) -> int:
    kept = folder.keep_fork(note)
    print(f"FORK  {reason}; both notes are in {kept}")
    return FORKED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clients.witness", description="A witness of the journal.")
    acts = parser.add_subparsers(dest="act", required=True)
    init = acts.add_parser("init", help="make key and store, and pin the log's key")
    init.add_argument("folder", type=Path)
    init.add_argument("--name", required=True, help="the witness's name in notes, e.g. its domain")
    init.add_argument("--url", required=True, help="the plain-http door, up to /pki")
    init.add_argument("--log-certificate", type=Path, required=True, help="PEM, by `flask pki export log`")
    once = acts.add_parser("once", help="one round")
    once.add_argument("folder", type=Path)
    run = acts.add_parser("run", help="again and again, until a fork")
    run.add_argument("folder", type=Path)
    run.add_argument("--every", type=float, default=60.0, help="seconds (default 60)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
