from contracts.report import Verdict
from contracts.validation import validate


def test_first(contract, hierarchy, now):
    for pdf in (contract.once, contract.twice):
        report = validate(pdf, hierarchy.trust, now)
        print(report.to_dict())
        assert report.verdict is Verdict.VALID
