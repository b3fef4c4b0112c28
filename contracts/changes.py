"""What came after a revision of a PDF: nothing but signatures, or something else.

Every revision is compared with the one before it, and each change must be justified by itself; what a reader was
shown, and what a later signature covers, are then joined by an unbroken row of such steps. A step that consists of
nothing but filled signature fields, an invisible time-stamp field and validation data is recognised directly
(`_is_bare_signature`); the files of other writers go through pyHanko's rules, tightened: text fields, annotations, form
defaults and usage rights do not change.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel, StandardDiffPolicy, SuspiciousModification
from pyhanko.sign.diff_analysis.commons import compare_dicts
from pyhanko.sign.diff_analysis.form_rules_api import FormUpdatingRule
from pyhanko.sign.diff_analysis.rules.file_structure_rules import (
    CatalogModificationRule,
    ObjectStreamRule,
    XrefStreamRule,
)
from pyhanko.sign.diff_analysis.rules.form_field_rules import (
    DSSCompareRule,
    SigFieldCreationRule,
    SigFieldModificationRule,
    is_field_visible,
)
from pyhanko.sign.diff_analysis.rules.metadata_rules import DocInfoRule, MetadataUpdateRule
from pyhanko.sign.fields import FieldMDPSpec, MDPPerm

logging.getLogger("pyhanko.sign.diff_analysis").setLevel(logging.ERROR)  # a refused change is a verdict, no warning

_DSS_KEYS = {"/Type", "/Certs", "/CRLs", "/OCSPs", "/VRI"}
_FORM_KEYS = frozenset({"/Fields"})
_CATALOG_KEYS = frozenset({"/AcroForm", "/DSS", "/Extensions"})


def _policy(catalog_keys: frozenset[str], form_keys: frozenset[str]) -> StandardDiffPolicy:
    harmless = ModificationLevel.LTA_UPDATES
    return StandardDiffPolicy(
        global_rules=[
            CatalogModificationRule(  # type: ignore[no-untyped-call]
                ignored_keys=catalog_keys | {"/Metadata"}
            ),
            DocInfoRule().as_qualified(harmless),
            XrefStreamRule().as_qualified(harmless),
            ObjectStreamRule().as_qualified(harmless),
            DSSCompareRule().as_qualified(harmless),
            MetadataUpdateRule().as_qualified(harmless),  # type: ignore[no-untyped-call]
        ],
        form_rule=FormUpdatingRule(
            field_rules=[
                SigFieldCreationRule(),  # type: ignore[no-untyped-call]
                SigFieldModificationRule(allow_in_place_appearance_stream_changes=False),
            ],
            ignored_acroform_keys=form_keys,
        ),
    )


_POLICY = _policy(_CATALOG_KEYS | {"/Version"}, _FORM_KEYS)
_FIRST_SIGNATURE_POLICY = _policy(_CATALOG_KEYS | {"/Version", "/Perms"}, _FORM_KEYS | {"/SigFlags"})
"""The first signature may certify, which stands in the catalog, and it closes the form."""


@dataclass(slots=True)
class Changes:
    """The steps between the revisions of one file; each is judged once, however many signatures ask."""

    reader: PdfFileReader
    _steps: dict[tuple[int, bool], ModificationLevel] = field(default_factory=dict)
    _revisions: dict[int, HistoricalResolver] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The number of the file's last revision; the first is 0."""
        return int(self.reader.xrefs.total_revisions) - 1

    def revision(self, number: int) -> HistoricalResolver:
        """The document as that revision shows it."""
        if number not in self._revisions:
            self._revisions[number] = self.reader.get_historical_resolver(number)
        return self._revisions[number]

    def since(
        self, revision: int, *, certified: bool, locks: Iterable[FieldMDPSpec] = ()
    ) -> tuple[ModificationLevel, str]:
        """The gravest change after a revision, and why where it is OTHER (not acceptable).

        NONE, LTA_UPDATES (validation data and time stamps) and FORM_FILLING (signatures) leave what a page shows as
        it was, apart from the fields that were there for the signatures. `certified`: no new visible field.
        """
        worst = ModificationLevel.NONE
        for old in range(revision, self.last):
            try:
                step = self._step(old, certified)
                for lock in locks:
                    self._general_step(old, certified, lock)
            except SuspiciousModification as exc:
                return ModificationLevel.OTHER, str(exc)
            worst = max(worst, step)
        return worst, ""

    def _step(self, number: int, certified: bool) -> ModificationLevel:
        key = (number, certified)
        if key not in self._steps:
            old, new = self.revision(number), self.revision(number + 1)
            try:
                self._steps[key] = _bare_signature(old, new)
            except _NotBare:
                self._steps[key] = self._general_step(number, certified, None)
        return self._steps[key]

    def _general_step(self, number: int, certified: bool, lock: FieldMDPSpec | None) -> ModificationLevel:
        old, new = self.revision(number), self.revision(number + 1)
        policy = _POLICY if _has_signature(old) else _FIRST_SIGNATURE_POLICY
        docmdp = MDPPerm.FILL_FORMS if certified else None
        return policy.apply(old, new, field_mdp_spec=lock, doc_mdp=docmdp).modification_level


class _NotBare(Exception):
    """Not the simple kind of step; says nothing about whether it is acceptable."""


def _bare_signature(old: HistoricalResolver, new: HistoricalResolver) -> ModificationLevel:
    """The level of a step in which fields were signed, validation data added, and nothing else touched.

    Objects that existed are replaced only by what is equal to them but for keys that lead to new objects, and what is
    new is reachable only through those. No stream and no array that existed is replaced, so that it does not matter
    where else an object is used. Raises _NotBare.
    """
    freed = new.refs_freed_in_revision()  # type: ignore[no-untyped-call]
    changed = new.explicit_refs_in_revision()  # type: ignore[no-untyped-call]
    if freed or old.root_ref != new.root_ref or "/Encrypt" in new.trailer_view:
        raise _NotBare
    replaced = {ref for ref in changed if not old.is_ref_unassignable(ref)}
    try:
        if old.trailer_view.raw_get("/Info") != new.trailer_view.raw_get("/Info"):
            raise _NotBare
    except KeyError:
        if "/Info" in new.trailer_view:
            raise _NotBare from None
    try:
        return _BareSignature(old, new, replaced).level()
    except (SuspiciousModification, KeyError, TypeError, ValueError, AttributeError) as exc:
        raise _NotBare from exc


@dataclass(slots=True)
class _BareSignature:
    old: HistoricalResolver
    new: HistoricalResolver
    replaced: set[generic.Reference]

    def level(self) -> ModificationLevel:
        signed_before = _has_signature(self.old)
        # 1. The catalog gains a form, validation data, and with the first signature its permissions.
        catalog, old_catalog = self.new.root, self.old.root
        compare_dicts(
            old_catalog, catalog, _CATALOG_KEYS - {"/Version"} | (frozenset() if signed_before else {"/Perms"})
        )
        self._justify(self.new.root_ref)
        if not signed_before and set(catalog.get("/Perms", {})) - {"/DocMDP"}:
            raise _NotBare
        self._dss(old_catalog, catalog)
        if "/Extensions" in catalog and isinstance(catalog.raw_get("/Extensions"), generic.IndirectObject):
            raise _NotBare
        # 2. The form gains fields at its end, and keeps those it had.
        form, old_form = self._dictionary(catalog, "/AcroForm"), self._dictionary(old_catalog, "/AcroForm")
        compare_dicts(old_form, form, _FORM_KEYS if signed_before else _FORM_KEYS | {"/SigFlags"})
        kept, fields = self._array(old_form, "/Fields"), self._array(form, "/Fields")
        added = fields[len(kept) :]
        if fields[: len(kept)] != kept:
            raise _NotBare
        worst = ModificationLevel.LTA_UPDATES
        # 3. An empty signature field is signed, once.
        for item in kept:
            if item.reference in self.replaced:
                worst = max(worst, self._signed(self._object(self.old, item), self._object(self.new, item)))
                self._justify(item.reference)
        # 4. A new field is a signature field that shows nothing.
        for item in added:
            worst = max(worst, self._new_field(item))
        # 5. A page gains those fields among its annotations.
        for ref in list(self.replaced):
            self._page(self.old(ref), self.new(ref), added)
            self._justify(ref)
        if self.replaced:
            raise _NotBare
        return worst

    def _justify(self, ref: generic.Reference) -> None:
        self.replaced.discard(ref)

    def _object(self, revision: HistoricalResolver, item: generic.IndirectObject) -> generic.DictionaryObject:
        found = revision(item.reference)
        if not isinstance(found, generic.DictionaryObject) or isinstance(found, generic.StreamObject):
            raise _NotBare
        return found

    def _dictionary(self, parent: generic.DictionaryObject, key: str) -> generic.DictionaryObject:
        raw = parent.raw_get(key)
        if isinstance(raw, generic.IndirectObject):
            self._justify(raw.reference)
        found = parent[key]
        if not isinstance(found, generic.DictionaryObject) or isinstance(found, generic.StreamObject):
            raise _NotBare
        return found

    def _array(self, parent: generic.DictionaryObject, key: str) -> list[generic.IndirectObject]:
        """An array of references that stands in its dictionary, or outside and untouched."""
        raw = parent.raw_get(key)
        if isinstance(raw, generic.IndirectObject) and raw.reference in self.replaced:
            raise _NotBare
        found = parent[key]
        if not isinstance(found, generic.ArrayObject):
            raise _NotBare
        items = [found.raw_get(index) for index in range(len(found))]
        if not all(isinstance(item, generic.IndirectObject) for item in items):
            raise _NotBare
        return items

    def _dss(self, old_catalog: generic.DictionaryObject, catalog: generic.DictionaryObject) -> None:
        if "/DSS" not in catalog:
            if "/DSS" in old_catalog:
                raise _NotBare
            return
        if "/DSS" in old_catalog and old_catalog.raw_get("/DSS") != catalog.raw_get("/DSS"):
            raise _NotBare
        store = self._dictionary(catalog, "/DSS")
        if set(store) - _DSS_KEYS or "/VRI" in store:
            raise _NotBare
        for key in ("/Certs", "/CRLs", "/OCSPs"):
            for item in self._array(store, key) if key in store else ():
                if not isinstance(self.new(item.reference), generic.StreamObject):
                    raise _NotBare

    def _signed(self, old: generic.DictionaryObject, new: generic.DictionaryObject) -> ModificationLevel:
        if old["/FT"] != "/Sig" or "/V" in old or "/Kids" in old:
            raise _NotBare
        compare_dicts(old, new, frozenset({"/V", "/AP"}))
        if "/AP" in new and old.get("/AP") != new.get("/AP"):
            appearance = new.raw_get("/AP")
            if not isinstance(appearance, generic.DictionaryObject) or set(appearance) != {"/N"}:
                raise _NotBare
            self._check_new(appearance.raw_get("/N"))
        return self._value(new)

    def _new_field(self, item: generic.IndirectObject) -> ModificationLevel:
        self._check_new(item)
        found = self._object(self.new, item)
        if found["/FT"] != "/Sig" or "/Kids" in found or _is_visible(found):
            raise _NotBare
        return self._value(found)

    def _value(self, signed: generic.DictionaryObject) -> ModificationLevel:
        reference = signed.raw_get("/V")
        self._check_new(reference)
        value = self._object(self.new, reference)
        if value["/Type"] == "/DocTimeStamp" and not _is_visible(signed):
            return ModificationLevel.LTA_UPDATES
        return ModificationLevel.FORM_FILLING

    def _check_new(self, item: object) -> None:
        if not isinstance(item, generic.IndirectObject) or not self.old.is_ref_unassignable(item.reference):
            raise _NotBare

    def _page(self, old: object, new: object, added: list[generic.IndirectObject]) -> None:
        if not isinstance(old, generic.DictionaryObject) or not isinstance(new, generic.DictionaryObject):
            raise _NotBare
        if isinstance(old, generic.StreamObject) or isinstance(new, generic.StreamObject) or old["/Type"] != "/Page":
            raise _NotBare
        compare_dicts(old, new, frozenset({"/Annots"}))
        before = self._array(old, "/Annots") if "/Annots" in old else []
        after = self._array(new, "/Annots")
        if after[: len(before)] != before or any(item not in added for item in after[len(before) :]):
            raise _NotBare


def _has_signature(revision: HistoricalResolver) -> bool:
    """Whether a field of the form, on any level, has a signature for its value."""
    form = revision.root["/AcroForm"] if "/AcroForm" in revision.root else {}  # noqa: SIM401 - follows references
    pending = list(form["/Fields"]) if "/Fields" in form else []
    seen = 0
    while pending:
        item = pending.pop().get_object()
        seen += 1
        if "/V" in item and ("/FT" not in item or item["/FT"] == "/Sig"):
            return True
        if "/Kids" in item and seen < 1000:
            pending.extend(item["/Kids"])
    return False


def _is_visible(widget: generic.DictionaryObject) -> bool:
    return bool(is_field_visible(widget))  # type: ignore[no-untyped-call]
