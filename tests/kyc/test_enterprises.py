import pytest

from kyc.enterprises import verify_enterprise
from kyc.errors import EnterpriseNotConfirmed
from kyc.ports import EnterpriseElements, RegistryAnswer

ELEMENTS = EnterpriseElements("云联示例有限公司", "91350100M000100Y43", "林文", "11010519491231002X")


class Register:
    def __init__(self, answer: object) -> None:
        self._answer = answer

    def compare(self, elements: EnterpriseElements) -> RegistryAnswer:
        return self._answer  # type: ignore[return-value]


def test_a_yes_is_a_yes():
    verify_enterprise(Register(RegistryAnswer.CONFIRMED), ELEMENTS)


@pytest.mark.parametrize("answer", [RegistryAnswer.REFUSED, RegistryAnswer.UNKNOWN, None, True, "confirmed "])
def test_nothing_else_is(answer: object):
    with pytest.raises(EnterpriseNotConfirmed) as caught:
        verify_enterprise(Register(answer), ELEMENTS)
    assert "林文" not in str(caught.value)
    assert ELEMENTS.identity_number not in str(caught.value)
