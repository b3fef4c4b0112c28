"""By what an enterprise's consent to a platform must be confirmed; a setting chooses it, as for face checks."""

from __future__ import annotations

from dataclasses import dataclass

from kyc.errors import PolicyNotAllowed


@dataclass(frozen=True, slots=True)
class ConsentPolicy:
    """`face_required`: the legal representative's face check, bound to the request shown, precedes every approval."""

    name: str
    face_required: bool


_POLICIES = {
    policy.name: policy
    for policy in (
        ConsentPolicy("standard", face_required=True),
        ConsentPolicy("demo", face_required=False),  # the check is offered and recorded, not demanded
    )
}


def get_consent_policy(name: str, *, production: bool) -> ConsentPolicy:
    """The policy of this name. Raises PolicyNotAllowed: unknown, or a demonstration's in production."""
    policy = _POLICIES.get(name)
    if policy is None:
        raise PolicyNotAllowed(f"no consent policy is named {name!r}")
    if production and not policy.face_required:
        raise PolicyNotAllowed(f"the {name} consent policy is refused in production")
    return policy
