"""The rules over many faults at once: each estate with a fault is a set of tenants of its own in one scan.

One scan of a hundred estates takes seconds where a hundred scans take minutes. What the register says of our tenants it
says of each estate's. Rules about partners are not for this: a partner is unknown where any of its tenants is.
"""

from __future__ import annotations

import dataclasses
import re
import string
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pytest

from nhiscan import check, config, scan, store
from nhiscan.collect import Context, run
from nhiscan.model import REGISTER_DATASETS, Coverage, Record
from nhiscan.rule import Rule
from tests.faults.tapes import DEMO
from tests.systems import System

_TENANTS: Final = re.compile(r"(?<!\d)(111111111111|222222222222|123456789012)(?!\d)|\bvault:main\b")
_KEY_ID: Final = re.compile(r"\bAKIA[0-9A-Z]{16}\b")
_MOVED: Final = re.compile(r"(?<!\d)(111|222|123)(\d{4})(?:11111|22222|89012)(?!\d)|\bvault:main-(\d+)\b")

_SIGNS: Final = string.digits + string.ascii_uppercase

Outcome = tuple[str, str]  # rule, and the subject as it is called in its estate


def move(text: str, estate: int) -> str:
    """The text as it reads in an estate, whose tenants have numbers of their own, and whose keys other ids."""

    def tenant(found: re.Match[str]) -> str:
        account = found[1]
        return f"vault:main-{estate}" if account is None else f"{account[:3]}{estate:04}{account[7:]}"

    return _KEY_ID.sub(lambda found: _shifted(found[0], estate), _TENANTS.sub(tenant, text))


def _shifted(key_id: str, by: int) -> str:
    return "AKIA" + "".join(_SIGNS[(_SIGNS.index(sign) + by) % len(_SIGNS)] for sign in key_id[4:])


def moved(records: Iterable[Record], estate: int) -> Iterator[Record]:
    """The records as an estate of that number would have them, so that no row of one estate knows another's."""
    for record in records:
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            if isinstance(value, str):
                new = f"{value}-{estate}" if field.name == "fingerprint" else move(value, estate)
                changes.update({field.name: new} if new != value else {})
        yield dataclasses.replace(record, **changes) if changes else record


@dataclass(frozen=True)
class Judged:
    """What a scan came to."""

    passes: frozenset[Outcome]
    findings: Mapping[Outcome, tuple[str, str]]  # outcome and status

    @cached_property
    def _passes(self) -> Mapping[int | None, set[Outcome]]:
        found: dict[int | None, set[Outcome]] = defaultdict(set)
        for rule, subject in self.passes:
            found[_estate(subject)].add((rule, _home(subject)))
        return found

    @cached_property
    def _findings(self) -> Mapping[int | None, dict[Outcome, tuple[str, str]]]:
        found: dict[int | None, dict[Outcome, tuple[str, str]]] = defaultdict(dict)
        for (rule, subject), said in self.findings.items():
            found[_estate(subject)][rule, _home(subject)] = said
        return found

    def passes_in(self, estate: int) -> set[Outcome]:
        return self._passes[estate]

    def findings_in(self, estate: int) -> Mapping[Outcome, tuple[str, str]]:
        """Outcome and status of what fails or is unknown."""
        return self._findings[estate]


def _estate(subject: str) -> int | None:
    found = _MOVED.search(subject)
    return None if found is None else int(found[2] or found[3])


def _home(subject: str) -> str:
    """A subject as it is called in the first estate."""
    back = -(_estate(subject) or 0)
    plain = _MOVED.sub(lambda found: found[1] or "vault:main", subject)
    return _KEY_ID.sub(lambda found: _shifted(found[0], back), plain)


def judge(
    state: Path, estates: Sequence[tuple[int, str, Sequence[Record]]], rules: Sequence[Rule], *, at: datetime
) -> Judged:
    """One scan of these estates with the demo's register and settings."""
    settings = config.read(DEMO / "nhiscan.toml")
    numbers = [number for number, _, _ in estates]
    company = dataclasses.replace(
        settings.company,
        aws_accounts={move(a, n): env for n in numbers for a, env in settings.company.aws_accounts.items()},
        tenants={move(t, n): env for n in numbers for t, env in settings.company.tenants.items()},
    )
    (register,) = scan.collectors(settings, environ=None, strict=False, only=["register"])
    said: dict[str, list[Record]] = {"register": list(_register(register, at, numbers)), "aws": [], "vault": []}
    for number, name, records in estates:
        said["vault" if name == "vault" else "aws"] += moved(records, number)
    found = [_said(name, records) for name, records in said.items() if records]
    settings = dataclasses.replace(settings, company=company, state=state, collectors=tuple((n, {}) for n in said))
    return scanned(settings, found, rules, at=at)


def scanned(settings: config.Config, systems: Sequence[Any], rules: Sequence[Rule], *, at: datetime) -> Judged:
    """One scan of what these systems say, with what passes, which no scan keeps."""
    passes: set[Outcome] = set()
    honest = check.judge

    def listening(con: Any, rule: Rule, bound: Any) -> check.Judged:
        judged = honest(con, rule, bound)
        passed = con.execute(f"select subject_id from ({judged.sql}) where outcome = 'pass'").fetchall()
        passes.update((rule.rule_id, subject) for (subject,) in passed)
        return judged

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "judge", listening)
        scan.run(settings, systems, rules, ctx=Context(as_of=at), clock=lambda: at, on_stage=lambda name: None)
    with store.open_published(settings.state) as con:
        rows = con.execute("select rule_id, subject_id, outcome, status from findings").fetchall()
    return Judged(frozenset(passes), {(rule, subject): (outcome, status) for rule, subject, outcome, status in rows})


def _register(register: Any, at: datetime, estates: Iterable[int]) -> Iterator[Record]:
    """Every row, and where it names one of our tenants or what is in it, the like for each estate."""
    for record in run(register, Context(as_of=at)):
        likes = (like for n in estates for like in moved([record], n))
        yield from [record] if isinstance(record, Coverage) else dict.fromkeys(likes)


def _said(name: str, records: Sequence[Record]) -> Any:
    datasets = frozenset(r.dataset for r in records if isinstance(r, Coverage))
    return System(name, lambda ctx: records, datasets or REGISTER_DATASETS)
