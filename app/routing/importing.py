"""The official directory as people have it: CSV to checked branches, with every fault named by its line.

Columns: `code` (or `bnkcode`, 行号), `name` (`lname`, 行名); where the file has them `city` (城市), `province`
(省份).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.routing.areas import AREAS_BY_CODE, Area
from app.routing.banks import bank_of_branch
from app.routing.clearing_code import InvalidClearingCode, parse_clearing_code
from app.routing.directory import Branch
from app.routing.normalise import normalise

MAX_NAME = 200
MAX_FILE = 256 * 1024 * 1024
_COLUMNS = {
    "code": ("code", "bnkcode", "行号", "联行号", "支付行号"),
    "name": ("name", "lname", "行名", "机构名称", "银行名称"),
    "city": ("city", "城市", "地区"),
    "province": ("province", "省份", "省"),
}
_AREA_COLUMNS = {
    "code": ("area_code", "citycode", "地区代码"),
    "city": ("city", "城市"),
    "province": ("province", "省份"),
}
_RENAME_COLUMNS = {
    "date": ("date", "日期"), "old": ("old_name", "旧名"), "new": ("new_name", "新名"), "code": ("code", "行号"),
}  # fmt: skip


class NotADirectory(ValueError):
    """The file is no table with the columns that are needed."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with a line (counted from 1, the head being 1); `reason` is a stable code."""

    line: int
    reason: str
    value: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """Branches that are good, areas that the file names, and what was left out or is odd and why."""

    branches: tuple[Branch, ...]
    areas: tuple[Area, ...]
    faults: tuple[RowFault, ...]
    notes: tuple[RowFault, ...]


@dataclass(frozen=True, slots=True)
class Rename:
    """A line of a list of renames; `code` where the list has it."""

    on: date
    old: str
    new: str
    code: str | None


def parse_directory(data: bytes, areas: Sequence[Area] = ()) -> Parsed:
    """Check a whole file.

    Left out are lines with a code that is none, a second line with the same code, a name that is none. An area that
    neither the project's table nor `areas` know is noted and kept where the line says its city, else left out.
    Raises NotADirectory.
    """
    known = AREAS_BY_CODE | {area.code: area for area in areas}
    found: dict[str, Branch] = {}
    named: dict[str, Area] = {area.code: area for area in areas}
    names: dict[tuple[str, str], int] = {}
    faults, notes = [], []
    for line, row in _rows(data, _COLUMNS, ("code", "name")):
        code, name = row["code"], row["name"]
        try:
            area_code = parse_clearing_code(code).area
        except InvalidClearingCode as invalid:
            faults.append(RowFault(line, invalid.reason, code[:20]))
            continue
        if not normalise(name) or len(name) > MAX_NAME or any(ord(char) < 32 for char in name):
            faults.append(RowFault(line, "name", name[:40]))
            continue
        if code in found:
            faults.append(RowFault(line, "duplicate-code", code))
            continue
        if area_code not in known:
            if not row.get("city"):
                faults.append(RowFault(line, "unknown-area", area_code))
                continue
            if area_code not in named:
                notes.append(RowFault(line, "unknown-area", area_code))
                named[area_code] = Area(area_code, row["city"], row.get("province", ""))
        twin = names.setdefault((name, area_code), line)
        if twin != line:
            notes.append(RowFault(line, "duplicate-name", name[:40]))
        found[code] = Branch(code, name, bank_of_branch(code, name).id, area_code)
    return Parsed(tuple(found.values()), tuple(named.values()), tuple(faults), tuple(notes))


def parse_areas(data: bytes) -> tuple[Area, ...]:
    """A table of area codes. Raises NotADirectory."""
    return tuple(
        Area(row["code"], row["city"], row.get("province", ""))
        for _, row in _rows(data, _AREA_COLUMNS, ("code", "city"))
        if len(row["code"]) == 4 and row["code"].isascii() and row["code"].isdigit()
    )


def parse_renames(data: bytes) -> tuple[tuple[Rename, ...], tuple[RowFault, ...]]:
    """A list of renames, in the order of the days, and the lines that are none. Raises NotADirectory."""
    renames, faults = [], []
    for line, row in _rows(data, _RENAME_COLUMNS, ("date", "old", "new")):
        try:
            renames.append(Rename(date.fromisoformat(row["date"]), row["old"], row["new"], row.get("code") or None))
        except ValueError:
            faults.append(RowFault(line, "date", row["date"][:20]))
    return tuple(sorted(renames, key=lambda rename: rename.on)), tuple(faults)


def write_directory(branches: Iterable[Branch], city_of: dict[str, Area]) -> Iterator[str]:
    """Lines of CSV that `parse_directory` reads back."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("code", "name", "city", "province"))
    for branch in branches:
        area = city_of.get(branch.area_code)
        writer.writerow((branch.code, branch.name, area.name if area else "", area.province if area else ""))
        if buffer.tell() > 64 * 1024:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _rows(
    data: bytes, columns: Mapping[str, tuple[str, ...]], needed: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    if len(data) > MAX_FILE:
        raise NotADirectory(f"larger than {MAX_FILE} bytes")
    reader = csv.reader(io.StringIO(_decode(data), newline=""))
    try:
        head = [cell.strip().lower() for cell in next(reader, [])]
        places = {name: at for name, spellings in columns.items() for at, cell in enumerate(head) if cell in spellings}
        missing = [name for name in needed if name not in places]
        if missing:
            raise NotADirectory(f"no column for {', '.join(missing)}")
        for row in reader:
            if row:
                yield reader.line_num, {n: row[at].strip() if at < len(row) else "" for n, at in places.items()}
    except csv.Error as exc:
        raise NotADirectory(str(exc)) from exc


def _decode(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise NotADirectory("neither UTF-8 nor GB 18030")
