from contracts.report import Level, Verdict
from contracts.validation import validate, verify_document


def test_first(contract, hierarchy, now):
    for pdf in (contract.once, contract.twice):
        report = validate(pdf, hierarchy.trust, now)
        print(report.to_dict())
        assert report.verdict is Verdict.VALID
