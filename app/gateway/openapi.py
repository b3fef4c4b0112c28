"""OpenAPI 3.1 of the platforms' door, made from the code: routes, what `@protected` demands, the documents' models."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from app.gateway.protect import Protection, find_protection
from app.oauth.scopes import SCOPES
from app.settings import Settings

PATH = "/.well-known/openapi.json"

# The document of each protected endpoint, by name: its feature imports this package, so it cannot be imported above.
DOCUMENTS = {
    "payments.pay": ("app.payments.messages", "PaymentDocument"),
    "payments.status": ("app.payments.messages", "StatusDocument"),
    "payments.cancel": ("app.payments.messages", "CancelDocument"),
    "payments.balance": ("app.payments.messages", "BalanceDocument"),
    "payments.account_statement": ("app.payments.messages", "StatementDocument"),
    "payments.pay_batch": ("app.payments.messages", "BatchDocument"),
    "payments.batch_status": ("app.payments.messages", "BatchStatusDocument"),
    "payment_receipts.receipt": ("app.payments.messages", "StatusDocument"),
    "platforms.propose": ("app.oauth.messages", "PlatformDocument"),
    "platforms.status": ("app.oauth.messages", "PlatformNameDocument"),
    "platforms.registration_code": ("app.oauth.messages", "PlatformNameDocument"),
    "contracts.verify": ("app.compliance.messages", "VerifyDocument"),
    "routing.resolve": ("app.routing.messages", "ResolveRequest"),
    "routing.confirm": ("app.routing.messages", "ConfirmRequest"),
}

_OAUTH = {  # what an endpoint answers where all is well
    "oauth.token": (200, "Token"),
    "oauth.pushed_authorization_request": (201, "PushedRequest"),
    "oauth.introspect": (200, "Introspection"),
    "oauth.revoke": (200, None),
}
_REFUSALS = {
    400: "not the form of the protocol",
    401: "token, DPoP proof or message signature",
    403: "certificate, authorization or limit",
    404: "no such thing, or not this enterprise's",
    408: "the body took more than a minute",
    409: "replayed, or another document under the same name",
    413: "more than 256 KiB",
    422: "content or document",
    429: "above the quota; see Retry-After",
    503: "try later",
}
_SIGNED = ("Signature-Input", "Signature", "Content-Digest")
_SCHEMAS: dict[str, Any] = {
    "Problem": {
        "description": "RFC 9457; `zh` is a sentence for people",
        "type": "object",
        "required": ["type", "title", "status", "code", "zh"],
        "properties": {
            "type": {"type": "string", "pattern": "^urn:yunlian:problem:"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string"},
            "zh": {"type": "string"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "faults": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "reason"],
                    "properties": {"pointer": {"type": "string"}, "reason": {"type": "string"}},
                },
            },
        },
    },
    "Answer": {
        "description": "`sealed` is a JWE to the product encryption certificate",
        "type": "object",
        "properties": {"sealed": {"type": "string"}},
    },
    "OAuthError": {
        "description": "RFC 6749 §5.2",
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    },
    "Token": {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": {
            "access_token": {"type": "string"},
            "token_type": {"enum": ["Bearer", "DPoP"]},
            "expires_in": {"type": "integer"},
            "scope": {"type": "string"},
            "refresh_token": {"type": "string"},
            "authorization_details": {"type": "array"},
        },
    },
    "PushedRequest": {
        "type": "object",
        "required": ["request_uri", "expires_in"],
        "properties": {"request_uri": {"type": "string"}, "expires_in": {"type": "integer"}},
    },
    "Introspection": {"type": "object", "required": ["active"], "properties": {"active": {"type": "boolean"}}},
}


def describe_door(app: Flask, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of every route that this application serves to platforms."""
    models = {endpoint: _model(endpoint) for endpoint in DOCUMENTS if endpoint in app.view_functions}
    _, schemas = models_json_schema(
        [(model, "validation") for model in models.values()], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, Any] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        protection = find_protection(app.view_functions[rule.endpoint])
        if protection is not None:
            operation = _protected(rule, protection, models.get(rule.endpoint), app)
        elif rule.endpoint in _OAUTH:
            operation = _oauth(rule)
        else:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(rule.rule, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Yunlian", "version": "1", "description": "The wire format is told by docs/protocol.md."},
        "servers": [{"url": settings.issuer_url}],
        "paths": paths,
        "components": {
            "schemas": {**_SCHEMAS, **_in_ecma(schemas.get("$defs", {}))},
            "securitySchemes": _schemes(settings),
        },
    }


def _in_ecma(schema: Any) -> Any:
    """Patterns in ECMA-262, which JSON Schema wants: there the end of a text is `$`, where pydantic writes `\\z`."""
    if isinstance(schema, list):
        return [_in_ecma(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value.removesuffix("\\z") + "$" if name == "pattern" and str(value).endswith("\\z") else _in_ecma(value)
        for name, value in schema.items()
    }


def _model(endpoint: str) -> type[BaseModel]:
    module, name = DOCUMENTS[endpoint]
    model: type[BaseModel] = getattr(import_module(module), name)
    return model


def _protected(rule: Rule, protection: Protection, model: type[BaseModel] | None, app: Flask) -> dict[str, Any]:
    document = {"$ref": f"#/components/schemas/{model.__name__}"} if model is not None else {"type": "object"}
    text = (app.view_functions[rule.endpoint].__doc__ or rule.endpoint).strip().splitlines()[0]
    if protection.content:
        sealed = {"type": "string", "description": "JWE compact; inside, a JWT whose `document` is `x-document`"}
        body = {"application/jose": {"schema": sealed, "x-document": document}}
    else:
        body = {"application/json": {"schema": document}}
    return {
        "operationId": rule.endpoint,
        "summary": text,
        "security": [{"token": [protection.scope], "messageSignature": []}],
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}} for name in _SIGNED
        ],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": {"description": "signed by the bank", "content": _json("Answer"), "headers": _RATE_FIELDS},
            **{str(status): _problem(reason) for status, reason in _REFUSALS.items()},
        },
    }


_RATE_FIELDS = {name: {"schema": {"type": "string"}} for name in ("RateLimit-Policy", "RateLimit", "Signature-Input")}


def _oauth(rule: Rule) -> dict[str, Any]:
    status, schema = _OAUTH[rule.endpoint]
    form = {"type": "object", "additionalProperties": {"type": "string"}}
    found: dict[str, Any] = {"description": "as asked"}
    if schema is not None:
        found["content"] = _json(schema)
    refusal = {"description": "RFC 6749 §5.2", "content": _json("OAuthError")}
    return {
        "operationId": rule.endpoint,
        "description": "The client authenticates by private_key_jwt in the form, or by mutual TLS.",
        "security": [{}, {"mutualTls": []}],
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}},
        "responses": {str(status): found, **{str(code): refusal for code in (400, 401, 413)}},
    }


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _problem(reason: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": reason, "content": content}


def _schemes(settings: Settings) -> dict[str, Any]:
    flow = {
        "tokenUrl": f"{settings.issuer_url}/oauth/token",
        "scopes": {scope: scope for scope in sorted(SCOPES)},
    }
    return {
        "token": {
            "type": "oauth2",
            "description": "Scheme Bearer with a certificate-bound token, or DPoP (RFC 9449).",
            "flows": {
                "clientCredentials": flow,
                "authorizationCode": flow | {"authorizationUrl": f"{settings.people_url}/oauth/authorize"},
            },
        },
        "messageSignature": {
            "type": "apiKey", "in": "header", "name": "Signature", "description": "RFC 9421, label `api`.",
        },
        "mutualTls": {"type": "mutualTLS"},
    }  # fmt: skip
