"""The four elements of an enterprise (企业四要素) compared with a register."""

from kyc.errors import EnterpriseNotConfirmed
from kyc.ports import EnterpriseElements, Registry, RegistryAnswer


def verify_enterprise(registry: Registry, elements: EnterpriseElements) -> None:
    """Name, USCC, legal representative and identity number belong together, says the register.

    Raises EnterpriseNotConfirmed on any other answer: a register that does not know has not said yes.
    """
    answer = registry.compare(elements)
    if answer is not RegistryAnswer.CONFIRMED:
        raise EnterpriseNotConfirmed(f"the register answered {answer!s}")
