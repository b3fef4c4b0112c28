"""Whatever a file makes its reader do ends in time and within memory."""

import time

import pytest

from contracts import bounded
from contracts.errors import BoundsExceeded, UnsafeDocument
from contracts.report import SubIndication, Verdict
from contracts.validation import validate


def test_the_report_is_the_same(contract, hierarchy, now, records):
    plain = validate(contract.twice, hierarchy.trust, now, revocation=records)
    assert bounded.validate(contract.twice, hierarchy.trust, now, revocation=records) == plain


def spin():
    while True:
        pass


def swallow():
    return len(bytearray(2 * 1024**3))


def refuse():
    raise UnsafeDocument("javascript", "object 1")


def vanish():
    import os

    os._exit(3)


@pytest.mark.parametrize("task", [spin, swallow, vanish])
def test_what_exceeds_the_bounds_is_stopped(task):
    started = time.monotonic()
    with pytest.raises(BoundsExceeded):
        bounded.run(task, seconds=1.0, memory=256 * 2**20)
    assert time.monotonic() - started < 20


def test_errors_of_the_task_come_through():
    with pytest.raises(UnsafeDocument) as caught:
        bounded.run(refuse)
    assert caught.value.reason == "javascript"


def bomb(pages=20_000):
    """A page tree that refers to itself, in a file with many objects."""
    objects = [b"1 0 obj<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[3 0 R]>>>>endobj"]
    objects.append(b"2 0 obj<</Type/Pages/Kids[" + b"2 0 R " * pages + b"]/Count 1>>endobj")
    objects.append(b"3 0 obj<</FT/Sig/T(a)/Kids[" + b"3 0 R " * pages + b"]>>endobj")
    body, offsets = b"%PDF-1.7\n", []
    for item in objects:
        offsets.append(len(body))
        body += item + b"\n"
    xref = b"xref\n0 4\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % o for o in offsets)
    return body + xref + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(body)


def test_a_hostile_file_gets_a_verdict_in_time(hierarchy, now):
    started = time.monotonic()
    report = bounded.validate(bomb(), hierarchy.trust, now, seconds=3.0)
    assert report.verdict is not Verdict.VALID
    assert time.monotonic() - started < 20


def test_running_out_is_indeterminate(contract, hierarchy, now):
    report = bounded.validate(contract.twice, hierarchy.trust, now, seconds=0.0)
    assert (report.verdict, report.sub_indication) == (Verdict.INDETERMINATE, SubIndication.GENERIC)
