"""A directory of 170,000 branches made around the real rows, for `bench/routing.py`.

The real rows and the new names of real renames are in it as they are. The rest copies what can be seen in them: how
many branches a bank has, in which areas, how each bank writes its names, and what branches are called; some names
recur in nearly every city, many are used once.
"""

from __future__ import annotations

import csv
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from app.routing.areas import MUNICIPALITIES, Area, Gazetteer, short_name, short_province
from app.routing.banks import BANKS, BankLexicon, bank_of_branch
from app.routing.clearing_code import check_digit
from app.routing.directory import Branch, DirectoryContent, FormerName, place_of
from app.routing.noise import END_WORDS
from app.routing.normalise import normalise
from app.routing.reading import Reader

SHARED = Path(__file__).parents[2] / "shared" / "data"
# Branches in the whole country, about as the banks publish them.
_SIZES = {
    "psbc": 30_000, "abc": 22_500, "icbc": 15_500, "ccb": 14_000, "boc": 10_500, "bocom": 2_900, "adbc": 2_000,
    "cmb": 1_900, "cib": 1_900, "spdb": 1_700, "cmbc": 2_200, "citic": 1_450, "ceb": 1_250, "pab": 1_150, "hxb": 980,
    "cgb": 960, "czb": 300, "hfb": 300, "cbhb": 330, "huishang": 450, "bosc": 320,
}  # fmt: skip
_ENDS = {
    "psbc": ("支行", "营业所"),
    "abc": ("支行", "支行", "分理处"),
    "402": ("支行", "分理处", "信用社"),
    "314": ("支行", "分理处"),
}
_LOCAL = frozenset({"313", "314", "320", "322", "402"})
_LARGE = {
    "北京市": 60, "上海市": 70, "天津市": 30, "重庆市": 40, "广州市": 35, "深圳市": 35, "成都市": 30, "杭州市": 28,
}  # fmt: skip
_DIRECTIONS = "东南西北中"
_STREETS = ("路", "街", "大道", "大街", "北路", "南路", "东路", "西路", "中路")
_KINDS = ("", "", "", "新村", "广场", "新区", "花园", "科技园", "镇", "工业园", "开发区", "商城", "市场", "湾", "小区")


@dataclass(frozen=True, slots=True)
class _Style:
    head: str
    with_city: tuple[str, ...]
    ends: tuple[str, ...]


def read_shared(name: str) -> list[dict[str, str]]:
    """The rows of a table of real data; the bench cannot run without."""
    with (SHARED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def make_content(size: int, seed: int = 1) -> DirectoryContent:
    """A directory of about `size` branches with all real rows, real renames as history. The same for a seed."""
    maker = _Maker(random.Random(seed))
    maker.add_real_rows()
    maker.add_synthetic(size)
    return DirectoryContent("bench-1", "official", maker.branches, maker.areas, maker.former)


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.areas = [Area(r["area_code"], r["city"], r["province"]) for r in read_shared("cnaps_areas.csv")]
        self._gazetteer = Gazetteer(self.areas)
        self._renames = read_shared("cnaps_renames.csv")
        self.branches: list[Branch] = []
        self.former: list[FormerName] = []
        self._used: set[str] = set()
        self._names: set[str] = set()
        self._cores: list[str] = []
        self._styles: dict[str, list[_Style]] = defaultdict(list)
        self._next: Counter[str] = Counter()

    def _add(self, bank_id: str, prefix: str, area_code: str, name: str, code: str | None = None) -> Branch | None:
        while code is None or code in self._used:
            self._next[prefix + area_code] += 1
            first11 = f"{prefix}{area_code}{self._next[prefix + area_code] % 10_000:04d}"
            code = first11 + check_digit(first11)
        branch = Branch(code, name, bank_id, area_code)
        self._used.add(code)
        self._names.add(name)
        self.branches.append(branch)
        return branch

    def add_real_rows(self) -> None:
        """Real branches with their own codes; renamed ones get a code of their bank and city."""
        rows = read_shared("cnaps_branches.csv")
        by_name: dict[str, Branch] = {}
        for row in rows:
            bank = bank_of_branch(row["code"], row["name"])
            branch = self._add(bank.id, bank.prefix, row["code"][3:7], row["name"], row["code"])
            if branch is not None:
                by_name[row["name"]] = branch
        self._learn(rows)
        reader = self._reader()
        for rename in self._renames:
            new = rename["new_name"]
            branch = by_name.get(new)
            if branch is None:
                found = reader.read(normalise(new))
                bank = found.banks.bank
                prefix = bank.prefix if bank else _local_prefix(new)
                bank = bank or bank_of_branch(prefix, new)
                place = found.areas.places[0].area if found.areas.places else None
                place = place or self._place_in(new) or self._chance.choice(self.areas)
                branch = by_name[new] = self._add(bank.id, prefix, place.code, new)
            if branch is not None:
                self.former.append(FormerName(branch.code, rename["old_name"], date.fromisoformat(rename["date"])))

    def _reader(self) -> Reader:
        local = (bank_of_branch(branch.code, branch.name) for branch in self.branches)
        return Reader(BankLexicon({bank.id: bank for bank in (*BANKS, *local)}.values()), self._gazetteer)

    def _place_in(self, name: str) -> Area | None:
        found = [area for area in self.areas if short_name(area.name) in name and len(short_name(area.name)) > 1]
        return max(found, key=lambda area: len(area.name)) if found else None

    def _learn(self, rows: list[dict[str, str]]) -> None:
        """The particular parts of real names, new and old, as often as they occur."""
        reader = self._reader()
        for row in rows:
            area = self._gazetteer.find_code(row["code"][3:7])
            if area is not None:
                core = reader.read_branch(row["name"], place_of(self._gazetteer, area.code))
                self._cores.append(core.text)
                bank = bank_of_branch(row["code"], row["name"])
                self._names.add(f"{bank.id} {area.code} {core.text} {END_WORDS[core.end]}")
        for rename in self._renames:
            for name in (rename["old_name"], rename["new_name"]):
                self._cores.append(reader.read(normalise(name)).readings[0].core.text)
        other = re.compile("银行|公司|信用|联社|.市|.县|省|自治")  # another bank or place: not what a branch is called
        self._cores = [core for core in self._cores if 2 <= len(core) <= 8 and not other.search(core)]

    def _core(self) -> str:
        chance = self._chance.random()
        core = self._chance.choice(self._cores)
        if chance < 0.45:
            return core
        stem = core.rstrip("路街道") if chance < 0.75 else self._chance.choice(self._cores)[:2]
        if chance < 0.6:
            return stem[:3] + self._chance.choice(_STREETS)
        if chance < 0.75:
            return stem[:4] + self._chance.choice(_KINDS)
        if chance < 0.85:
            return stem[:1] + self._chance.choice(self._cores)[-2:]
        if chance < 0.95:
            return self._chance.choice(self._cores)[:1] + stem[-1:] + self._chance.choice((*_STREETS, *_KINDS))
        return stem[:2] + self._chance.choice(_DIRECTIONS)

    def _write(self, head: str, area: Area, core: str, end: str) -> str:
        """As real names have it: the city mostly without 市, sometimes the prefecture before the county."""
        chance, short = self._chance.random(), short_name(area.name)
        prefecture = self._gazetteer.prefecture_of(area)
        city = area.name if chance < 0.15 else short
        if prefecture is not area and 0.15 <= chance < 0.3:
            city = short_name(prefecture.name) + short
        return f"{head}{city}{core}{end}"

    def add_synthetic(self, size: int) -> None:
        """Fill up: nationwide banks everywhere, local banks at home."""
        counties: dict[str, list[Area]] = defaultdict(list)
        for area in self.areas:
            counties[self._gazetteer.prefecture_of(area).code].append(area)
        weights = [self._weight(area) for area in self.areas]
        scale = size / 170_000
        for bank in BANKS:
            if bank.id in _SIZES:
                count = int(_SIZES[bank.id] * scale)
                areas = self._chance.choices(self.areas, weights, k=count)
                self._fill(bank.id, bank.prefix, f"{bank.name}股份有限公司", areas)
        local = {b.bank_id: b for b in self.branches if b.bank_id not in _SIZES and b.code[:3] in _LOCAL}
        names = set(local)
        for area in self.areas:
            short = short_name(area.name)
            if short + "农村商业银行" not in names and short not in MUNICIPALITIES and len(self.branches) < size:
                name = short_province(area.province) + short + "农村商业银行"
                local[name] = Branch("402" + area.code + "0" * 5, name, name, area.code)
        share = max(1, (size - len(self.branches)) // max(1, len(local)))
        for bank_id, home in sorted(local.items()):
            area = self._gazetteer.find_code(home.area_code)
            if area is None:
                continue
            count = min(400, max(2, int(self._chance.gammavariate(0.9, share / 0.85))))
            home_areas = counties[self._gazetteer.prefecture_of(area).code] if home.code[:3] == "313" else [area]
            head = f"{_full_name(bank_id)}股份有限公司" if "信用" not in bank_id else _full_name(bank_id)
            areas = self._chance.choices(home_areas, k=count)
            self._fill(bank_id, home.code[:3], head, areas, near=home.code[:3] != "313")

    def _weight(self, area: Area) -> float:
        return _LARGE.get(area.name, 14 if area.code.endswith("0") else 4) * self._chance.uniform(0.5, 1.5)

    def _fill(self, bank_id: str, prefix: str, head: str, areas: list[Area], *, near: bool = False) -> None:
        ends = _ENDS.get(bank_id) or _ENDS.get(prefix) or ("支行",)
        opened: set[str] = set()
        for area in areas:
            main = area.code not in opened
            opened.add(area.code)
            for _ in range(20):
                core, end = self._core(), self._chance.choice(ends)
                if main and self._chance.random() < 0.7:
                    head_office = self._chance.choice(("分行", "分行营业部"))
                    core, end = "", head_office if area.code.endswith("0") else "支行"
                name = f"{head}{core}{end}" if near and core else self._write(head, area, core, end)
                one = f"{bank_id} {area.code} {core} {end}"
                if (name not in self._names and one not in self._names) or self._chance.random() < 0.003:
                    self._add(bank_id, prefix, area.code, name)
                    self._names.add(one)
                    break


def _full_name(bank_id: str) -> str:
    return next((bank.name for bank in BANKS if bank.id == bank_id), bank_id)


def _local_prefix(name: str) -> str:
    return "320" if "村镇" in name else "402" if "农" in name or "信用" in name else "313"
