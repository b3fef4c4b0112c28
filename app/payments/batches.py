"""Batches and payrolls (代发工资): up to 10,000 payments in one signed document.

Its items are taken in chunks, the first in the transaction that makes the batch durable, each other in one of its own;
it also keeps their results and where to go on. Other requests come in between, and after a crash whoever comes next
(the same document again, or the job) goes on at the first item that was not taken.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError
from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, defer

from app.db import new_id
from app.gateway.answers import GatewayAnswer
from app.gateway.documents import compact
from app.gateway.problems import InvalidDocument
from app.gateway.typed_documents import faults_of, parse_document
from app.journal.leaves import Entry
from app.oauth.authorizations import StandingAuthorization, get_standing_cached
from app.payments.instructions import signed_request
from app.payments.messages import BatchDocument, BatchItem, BatchStatusDocument, PaymentDocument
from app.payments.models import BatchState, PaymentBatch, PaymentBatchResult, PaymentInstruction
from app.payments.store import store_of
from app.payments.taking import Order, Repeated, Taken, find_order_faults, take
from app.problems import Conflict, Fault, NotFound, Problem
from app.wiring import Services
from app.writing import writing

if TYPE_CHECKING:
    from app.gateway.verify import VerifiedRequest

CHUNK = 250  # items of one transaction: some tens of milliseconds, in which nobody else is served
MAX_BATCH = 4 * 1024 * 1024  # octets of the document
_LONGEST_NAME = 64  # what is longer is no name, and is not said again
ABANDONED = timedelta(seconds=30)  # after which the job goes on where a process ended
_OK = 200
_WITHOUT_DOCUMENT = (defer(PaymentBatch.document),)
_TOLD = ("id", "batch_id", "payer_account", "state", "items", "next_position", "received_at")

Result = dict[str, Any]
log = logging.getLogger(__name__)


# Made once: making a statement costs several times what the database takes for it.
_BATCHES = cast(Table, PaymentBatch.__table__)
_CLAIM = {
    name: dialect.insert(_BATCHES).on_conflict_do_nothing().returning(_BATCHES.c.id)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


@dataclass(frozen=True, slots=True)
class Received:
    """A batch that is durable: the bank's reference, what its document says, and whether all its items are taken;
    `answer` where that was done just now."""

    reference: str
    document: BatchDocument
    is_finished: bool
    answer: GatewayAnswer | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """What the items of a batch have in common."""

    reference: str
    tenant_id: str
    document: BatchDocument
    content_jti: str
    application_id: str
    authorization: StandingAuthorization
    product_x5t_s256: str


def receive(services: Services, session: Session, verified: VerifiedRequest) -> Received:
    """Make a batch durable and take its first chunk. The same document again gives the same.

    Raises InvalidDocument (the batch as a whole, which leaves nothing behind), Conflict (another document under this
    name).
    """
    document = parse_document(verified.document, BatchDocument, limit=MAX_BATCH)
    signed, at = signed_request(verified), services.clock()
    tenant_id, reference = signed.authorization.enterprise_tenant_id, new_id()
    taken = min(CHUNK, len(document.items))  # when this transaction ends
    is_finished = taken == len(document.items)
    row = {
        "id": reference,
        "tenant_id": tenant_id,
        "batch_id": document.batch_id,
        "kind": document.kind,
        "document": verified.document,
        "document_sha256": verified.document_sha256,
        "content_jti": signed.content_jti,
        "application_id": verified.application_id,
        "authorization_id": signed.authorization.id,
        "product_x5t_s256": signed.product_x5t_s256,
        "payer_account": document.payer_account,
        "state": BatchState.FINISHED if is_finished else BatchState.RECEIVED,
        "items": len(document.items),
        "next_position": taken,
        "received_at": at,
        "updated_at": at,
    }
    if session.scalar(_CLAIM[session.get_bind().dialect.name], row) is None:
        earlier = _find(session, tenant_id, document.batch_id)
        if earlier is None or earlier.document_sha256 != verified.document_sha256:
            raise Conflict("the batch_id names a different document")
        return Received(earlier.id, document, earlier.state == BatchState.FINISHED)
    payer = services.core_banking(session, at).find([document.payer_account]).get(document.payer_account)
    if faults := find_order_faults(payer, tenant_id, document.requested_at, at):
        raise InvalidDocument(f"{len(faults)} faults", faults=tuple(faults))
    body = {"document_sha256": verified.document_sha256, "items": len(document.items), "kind": document.kind}
    store_of(session).add_entry(Entry("payment-batch", reference, verified.application_id, body), at)
    source = _Source(
        reference,
        tenant_id,
        document,
        signed.content_jti,
        verified.application_id,
        signed.authorization,
        signed.product_x5t_s256,
    )
    results = _take_chunk(services, session, source, 0)
    return Received(reference, document, is_finished, _tell(row, results) if is_finished else None)


def work(
    services: Services, reference: str, authorization: StandingAuthorization, document: BatchDocument | None = None
) -> None:
    """Take all items that were not taken yet, chunk by chunk; several processes may try at once.

    The document is read from the database where it is not given, and once only: it may have megabytes.
    """
    while True:
        with writing(services) as session:
            batch = session.get_one(
                PaymentBatch, reference, with_for_update=True, populate_existing=True, options=_WITHOUT_DOCUMENT
            )
            if batch.state == BatchState.FINISHED:
                return
            document = document or parse_document(batch.document, BatchDocument, limit=MAX_BATCH)
            source = _Source(
                reference,
                batch.tenant_id,
                document,
                batch.content_jti,
                batch.application_id,
                authorization,
                batch.product_x5t_s256,
            )
            batch.next_position += len(_take_chunk(services, session, source, batch.next_position))
            batch.updated_at = services.clock()
            if batch.next_position >= batch.items:
                batch.state = BatchState.FINISHED
                return
        time.sleep(0)  # others are served between two chunks


def answer(session: Session, reference: str, first: int = 0, count: int | None = None) -> GatewayAnswer:
    """What became of the items, as it was answered for ever; of a batch that is being taken, as far as it is."""
    batch = session.get_one(PaymentBatch, reference, options=_WITHOUT_DOCUMENT)
    return _tell({name: getattr(batch, name) for name in _TOLD}, list(_results(session, reference, first, count)))


def _tell(batch: Mapping[str, Any], results: list[Result]) -> GatewayAnswer:
    body = {
        "batch_id": batch["batch_id"],
        "bank_reference": batch["id"],
        "state": batch["state"],
        "items": batch["items"],
        "taken": batch["next_position"],
        "received_at": batch["received_at"].isoformat(),
        "results": results,
    }
    return GatewayAnswer(_OK, body, {"payer_account": batch["payer_account"], "currency": "CNY"})


def status(services: Services, session: Session, verified: VerifiedRequest) -> GatewayAnswer:
    """Where a batch stands, with the results of up to 1,000 items. Raises InvalidDocument, NotFound."""
    asked = parse_document(verified.document, BatchStatusDocument)
    batch = _find(session, signed_request(verified).authorization.enterprise_tenant_id, asked.batch_id)
    if batch is None:
        raise NotFound("there is no such batch")
    told = answer(session, batch.id, asked.from_position, 1000)
    accounts = services.core_banking(session, services.clock()).find([batch.payer_account])
    available = accounts[batch.payer_account].available_minor if accounts else None
    return GatewayAnswer(_OK, told.body, {**(told.sealed or {}), "available_balance_minor": available})


def resume_batches(services: Services) -> int:
    """Go on with batches whose process ended in the middle; the jobs process calls it. Returns how many were finished.

    One that cannot be taken now goes behind the others, and is tried again.
    """
    abandoned = select(PaymentBatch.id, PaymentBatch.authorization_id).where(
        PaymentBatch.state == BatchState.RECEIVED, PaymentBatch.updated_at < services.clock() - ABANDONED
    )
    with services.reading() as session:
        found = session.execute(abandoned.order_by(PaymentBatch.updated_at).limit(10)).all()
    finished = 0
    for reference, authorization_id in found:
        try:
            _resume(services, reference, authorization_id)
            finished += 1
        except Exception:
            log.exception("a batch was not finished", extra={"batch": reference})
            _put_off(services, reference)
    return finished


def _resume(services: Services, reference: str, authorization_id: str) -> None:
    try:
        authorization = get_standing_cached(services, authorization_id)
    except NotFound:
        _end(services, reference, "authorization-ended")
        return
    work(services, reference, authorization)


def _put_off(services: Services, reference: str) -> None:
    with services.transaction() as session:
        batch = session.get_one(PaymentBatch, reference, with_for_update=True, options=_WITHOUT_DOCUMENT)
        batch.updated_at = services.clock()


def _take_chunk(services: Services, session: Session, source: _Source, first: int) -> list[Result]:
    """Take the items from `first` on; what became of each, which is kept."""
    document = source.document
    results: list[Result | None] = []
    orders: list[Order] = []
    for position, item in enumerate(document.items[first : first + CHUNK], first):
        order = _order(source, position, item)
        results.append(order if isinstance(order, dict) else None)
        if isinstance(order, Order):
            orders.append(order)
    outcomes = iter(take(services, session, orders, services.clock()))
    told = [
        result if result is not None else _result(session, position, document, next(outcomes))
        for position, result in enumerate(results, first)
    ]
    store_of(session).add_batch_results(source.reference, first, compact(told))
    return told


def _order(source: _Source, position: int, item: Any) -> Order | Result:
    """The order of one item, or why it is none."""
    document = source.document
    try:
        checked = BatchItem.model_validate(item)
    except ValidationError as exc:
        named = item.get("instruction_id") if isinstance(item, dict) else None
        return _refusal(position, named, "invalid-document", faults_of(exc))
    terms = PaymentDocument.model_construct(
        instruction_id=checked.instruction_id,
        amount_minor=checked.amount_minor,
        currency=document.currency,
        payer_account=document.payer_account,
        payee=checked.payee,
        purpose=checked.purpose or document.purpose,
        requested_at=None,  # the batch's was looked at when it came; its items may be taken later, after a crash
    )
    return Order(
        tenant_id=source.tenant_id,
        terms=terms,
        document=None,
        document_sha256=_item_digest(document, item),
        content_jti=source.content_jti,
        application_id=source.application_id,
        authorization=source.authorization,
        product_x5t_s256=source.product_x5t_s256,
        batch_id=source.reference,
        position=position,
    )


def _item_digest(document: BatchDocument, item: dict[str, Any]) -> str:
    """What makes two items the same: their members, and of the batch what they share."""
    shared = [document.payer_account, document.currency, document.purpose, item]
    return hashlib.sha256(compact(shared).encode()).hexdigest()  # names are in order, as the document is canonical


def _result(session: Session, position: int, document: BatchDocument, outcome: Taken | Repeated | Problem) -> Result:
    if isinstance(outcome, Problem):
        named = document.items[position].get("instruction_id")
        return _refusal(position, named, outcome.code, outcome.faults)
    if isinstance(outcome, Repeated):
        payment = session.get_one(PaymentInstruction, outcome.payment_id)
        state, reasons, details = (payment.answer[name] for name in ("state", "reasons", "details"))
        reference, instruction_id = payment.id, payment.instruction_id
    else:
        state, reasons, details = str(outcome.state), outcome.reasons, outcome.details
        reference, instruction_id = outcome.payment_id, outcome.order.terms.instruction_id
    result: Result = {
        "position": position,
        "instruction_id": instruction_id,
        "bank_reference": reference,
        "state": state,
    }
    if "pointer" in details:
        result["pointer"] = f"/items/{position}{details['pointer']}"
    return result | {"reasons": reasons} if reasons else result


def _refusal(position: int, instruction_id: object, code: str, faults: Sequence[Fault]) -> Result:
    """An item that leaves nothing behind; its name stays free. Pointers are those of the batch's document."""
    prefix = f"/items/{position}"
    result: Result = {
        "position": position,
        "state": "refused",
        "code": code,
        "faults": [{"pointer": prefix + fault.pointer, "reason": fault.reason} for fault in faults],
    }
    if isinstance(instruction_id, str) and len(instruction_id) <= _LONGEST_NAME:
        result["instruction_id"] = instruction_id
    return result


def _results(session: Session, reference: str, first: int, count: int | None) -> Iterable[Result]:
    chunks = select(PaymentBatchResult.results).where(
        PaymentBatchResult.batch_id == reference, PaymentBatchResult.position > first - CHUNK
    )
    last = None if count is None else first + count
    for results in session.scalars(chunks.order_by(PaymentBatchResult.position)):
        for result in results:
            if result["position"] >= first and (last is None or result["position"] < last):
                yield result


def _end(services: Services, reference: str, code: str) -> None:
    """Refuse all items that were not taken: nobody may order them any more."""
    with services.transaction() as session:
        batch = session.get_one(PaymentBatch, reference, with_for_update=True, populate_existing=True)
        if batch.state == BatchState.FINISHED:
            return
        for first in range(batch.next_position, batch.items, CHUNK):
            positions = range(first, min(first + CHUNK, batch.items))
            results = [_refusal(position, None, code, ()) for position in positions]
            store_of(session).add_batch_results(reference, first, compact(results))
        batch.next_position, batch.state, batch.updated_at = batch.items, BatchState.FINISHED, services.clock()


def _find(session: Session, tenant_id: str, batch_id: str) -> PaymentBatch | None:
    return session.scalar(
        select(PaymentBatch)
        .where(PaymentBatch.tenant_id == tenant_id, PaymentBatch.batch_id == batch_id)
        .options(*_WITHOUT_DOCUMENT)
    )
