"""Client of the Yunlian open-banking gateway.

Built on public libraries and the protocol's text alone; it shares no code with the service.
"""

from yunlian.enterprise import Enterprise
from yunlian.errors import AnswerNotTrusted, OAuthRefused, Refused, YunlianError
from yunlian.platform import Answer, AuthorizationRequest, Callback, Platform, Token
from yunlian.remote import AgentRefused, RemoteEnterprise

__all__ = [
    "AgentRefused",
    "Answer",
    "AnswerNotTrusted",
    "AuthorizationRequest",
    "Callback",
    "Enterprise",
    "OAuthRefused",
    "Platform",
    "Refused",
    "RemoteEnterprise",
    "Token",
    "YunlianError",
]
