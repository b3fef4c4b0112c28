"""`/api/<service>/V1`: every protected use case, found by its own path, in the dialect. The status is always 200."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, abort, current_app, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.gateway.answers import GatewayAnswer, seal_to_product
from app.gateway.icbc import answers
from app.gateway.icbc.keys import answer_key, get_settings
from app.gateway.icbc.parameters import MAX_FORM
from app.gateway.icbc.verify import IcbcAttempt, SentRequest, Service, verify_icbc_request
from app.gateway.problems import ContentTooLarge, IllegalCall, InvalidRequest, NoSuchApi
from app.gateway.protect import find_protection
from app.gateway.refusals import record_refusal
from app.gateway.verify import VerifiedRequest
from app.problems import Problem, describe, log
from app.wiring import Services, current_services

blueprint = Blueprint("icbc", __name__)

_OWN_PREFIX = "/api/v1/"
_FORM = "application/x-www-form-urlencoded"
# Everything else that concerns an enterprise is taken to move its money, so that a new service is strict by default.
_READS = frozenset(
    {
        "payments.status",
        "payments.balance",
        "payments.account_statement",
        "payments.batch_status",
        "payment_receipts.receipt",
    }
)


def find_service(path: str) -> Service | None:
    """The service behind `/api/<path>/V1`: the protected POST of `/api/v1/<path>`; None where there is none."""
    for rule in current_app.url_map.iter_rules():
        if rule.rule == _OWN_PREFIX + path and "POST" in (rule.methods or ()):
            protection = find_protection(current_app.view_functions[rule.endpoint])
            if protection is not None:
                moves_money = protection.content and rule.endpoint not in _READS
                return Service(rule.endpoint, protection.scope, protection.content, moves_money)
    return None


@blueprint.route("/api/<path:path>/V1", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def call(path: str) -> Response:
    """One call. Refusals are signed answers too."""
    if request.path.startswith(_OWN_PREFIX):
        abort(404)
    services, attempt = current_services(), IcbcAttempt(g.request_id)
    key = answer_key(services)
    try:
        verified, answer = _carry_out(services, attempt, path)
        body = dict(answer.body)
        if answer.sealed is not None:
            body["sealed"] = seal_to_product(services, verified.product_x5t_s256 or "", answer.sealed)
        value = answers.success(attempt.msg_id, body)
    except Exception as error:
        value = _refuse(services, attempt, error)
    sha1 = get_settings(services, attempt.app_id).sha1_answers
    octets = answers.write_answer(answers.first_value(value, attempt.aes_key), key, sha1=sha1)
    response = Response(octets, 200, content_type="application/json;charset=UTF-8")
    if attempt.rate is not None:
        response.headers.update(attempt.rate.fields())
    return response


def _carry_out(services: Services, attempt: IcbcAttempt, path: str) -> tuple[VerifiedRequest, GatewayAnswer]:
    service = find_service(path)
    if service is None:
        raise NoSuchApi("no service has this path")
    verified = verify_icbc_request(services, attempt, _read(), service)
    # What `@protected` guards, without that guard: the request was verified here.
    view: Callable[..., GatewayAnswer] = vars(current_app.view_functions[service.endpoint])["__wrapped__"]
    return verified, view(verified=verified)


def _read() -> SentRequest:
    request.max_content_length = MAX_FORM
    query = request.query_string
    try:
        body = request.get_data()
    except RequestEntityTooLarge as exc:
        raise ContentTooLarge(f"a request has at most {MAX_FORM} octets") from exc
    if request.method == "GET" and not body:
        return SentRequest("GET", request.path, query)
    if request.method != "POST":
        raise IllegalCall("a service is called by POST, or by GET without a body")
    if request.mimetype != _FORM or query or "Content-Encoding" in request.headers:
        raise InvalidRequest(f"parameters are sent as {_FORM} in the body, or by GET in the query")
    return SentRequest("POST", request.path, body)


def _refuse(services: Services, attempt: IcbcAttempt, error: Exception) -> dict[str, object]:
    document = describe(error)
    if isinstance(error, Problem):
        record_refusal(services, attempt, error, str(request.url_rule))
    if document["status"] >= 500:
        log.error("request failed", exc_info=error)
    return answers.refusal(attempt.msg_id, document)
