"""Which attributions a person should look at first, and how that person's decision gets into the register."""

from __future__ import annotations

import dataclasses
import fcntl
import itertools
import os
import secrets
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tomli_w

from nhiscan import moments, statements
from nhiscan.errors import RegisterError
from nhiscan.model import IdentityMapping
from nhiscan.printable import LONG, plain

if TYPE_CHECKING:
    import duckdb

_TABLE: Final = IdentityMapping.table
_WRITTEN: Final = tuple(f.name for f in dataclasses.fields(IdentityMapping) if f.name != "register_row")
# Two entries of one pattern contradict each other where both say one of these and differ.
_DECIDED: Final = ("partner_id", "owner", "purpose", "environment")


@dataclass(frozen=True)
class Candidate:
    """One partner that may stand behind an identity, and why."""

    partner_id: str
    partner_name: str | None
    role: str | None
    source: str
    evidence: str | None
    confidence: float | None
    verdict: str
    register_row: str | None


@dataclass(frozen=True)
class Attribution:
    """`state`: conflict, suggested, none (outsiders may become it, no partner is known) or asserted.

    `confidence` is that of the strongest assertion; None without one. `candidates` stand strongest first.
    """

    identity_id: str
    provider: str
    tenant_id: str
    kind: str
    name: str
    native_id: str
    is_nhi: bool | None
    level: int | None
    live_credentials: int | None
    last_used_at: datetime | None
    is_trusted_from_outside: bool | None
    state: str
    confidence: float | None
    candidates: tuple[Candidate, ...]


_SELECTED: Final = tuple(f.name for f in dataclasses.fields(Attribution) if f.name != "candidates")


def weakest(con: duckdb.DuckDBPyConnection, limit: int) -> list[Attribution]:
    """At most `limit` identities: conflicts, suggestions, none, then assertions by ascending confidence."""
    sql = statements.sql("nhiscan", "attribute")
    rows = con.execute(sql, {"limit": limit}).fetchall()
    found = []
    for _, group in itertools.groupby(rows, key=lambda row: row[0]):
        claims = list(group)
        candidates = tuple(Candidate(*claim[14:]) for claim in claims if claim[14] is not None)
        about = dict(zip(_SELECTED, claims[0][1:14], strict=True))
        about["last_used_at"] = moments.aware(about["last_used_at"])
        found.append(Attribution(**about, candidates=candidates))
    return found


def describe(attribution: Attribution) -> str:
    """One attribution for a person to judge: a line for the identity and one for each candidate."""
    lines = [f"{attribution.state}: {plain(attribution.identity_id, LONG)} ({attribution.kind})"]
    for claim in attribution.candidates:
        confidence = "" if claim.confidence is None else f" {claim.confidence:.2f}"
        partner = claim.partner_id if claim.partner_name is None else f"{claim.partner_id} {claim.partner_name}"
        role = f" as {claim.role}" if claim.role else ""
        row = f" [{plain(claim.register_row)}]" if claim.register_row else ""
        evidence = plain(claim.evidence or claim.source, LONG)
        lines.append(f"  {claim.verdict}{confidence} {plain(partner)}{role}: {evidence}{row}")
    if not attribution.candidates:
        lines.append("  an account or issuer outside the company may become it, and no partner is known")
    return "\n".join(lines)


def decide(file: Path, decisions: Sequence[IdentityMapping], *, replace: bool = False) -> None:
    """Appends decisions to an identity_map file, made if missing; what already stands there is not repeated.

    With `replace`, entries that contradict a decision go. The file is replaced as a whole or not at all;
    its comments stay unless an entry is replaced.
    Raises: RegisterError for a file that cannot be read or written, an empty decision, or a contradiction.
    """
    if file.suffix.lower() != ".toml":
        raise RegisterError(f"{file}: decisions are written to a .toml file", hint="name identity_map.toml")
    file = file.resolve()  # a link stays a link
    try:
        with _locked(file.parent):
            text, held = _read(file)
            entries, added, is_rewritten = _merged(file, held, decisions, replace=replace)
            if not added and not is_rewritten:
                return
            appended = text if text.endswith("\n") or not text else f"{text}\n"
            appended += "".join(f"\n[[{_TABLE}]]\n{tomli_w.dumps(entry)}" for entry in added)
            wanted = {**held, _TABLE: entries}
            _write(file, appended if not is_rewritten and _says(appended, wanted) else tomli_w.dumps(wanted))
    except OSError as error:
        raise RegisterError(f"{file}: {error.strerror or error}", hint="check the folder's permissions") from error


def _merged(
    file: Path, held: Mapping[str, Any], decisions: Sequence[IdentityMapping], *, replace: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], bool]:
    """All entries, those that are new, and whether an older one had to go."""
    entries: list[dict[str, Any]] = list(held.get(_TABLE, []))
    added: list[dict[str, Any]] = []
    is_rewritten = False
    for decision in decisions:
        entry = _entry(file, decision)
        for other in added:
            if contradicted := _contradicted(other, entry):
                raise RegisterError(
                    f"two decisions on {entry['pattern']!r} contradict each other: "
                    f"{contradicted} {_shown(other, contradicted)} and {_shown(entry, contradicted)}",
                    hint="give one of them",
                )
        clashing = [other for other in entries if _contradicted(other, entry)]
        if clashing and not replace:
            field = _contradicted(clashing[0], entry)
            raise RegisterError(
                f"{file}: {entry['pattern']!r} is already decided: {field} {_shown(clashing[0], field)}"
                + (f" by {clashing[0]['decided_by']}" if "decided_by" in clashing[0] else "")
                + f", not {_shown(entry, field)}",
                hint="replace that decision explicitly, or edit the file",
            )
        if clashing:
            entries = [other for other in entries if other not in clashing]
            is_rewritten = True
        if not any(_is_same(other, entry) for other in entries):
            entries.append(entry)
            added.append(entry)
    return entries, added, is_rewritten


def _entry(file: Path, decision: IdentityMapping) -> dict[str, Any]:
    entry = {name: value for name in _WRITTEN if (value := getattr(decision, name)) is not None and value != ""}
    if "pattern" not in entry or not any(name in entry for name in _DECIDED):
        raise RegisterError(
            f"{file}: the decision on {decision.pattern!r} decides nothing",
            hint=f"give a pattern and one of {', '.join(_DECIDED)}",
        )
    return entry


def _contradicted(held: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """The field in which two entries of one pattern cannot both be true; empty if there is none."""
    if held.get("pattern") != entry["pattern"]:
        return ""
    for name in _DECIDED:
        # One partner may operate what another benefits from.
        if name == "partner_id" and held.get("role") != entry.get("role"):
            continue
        if name in held and name in entry and held[name] != entry[name]:
            return name
    return "until" if _is_same(held, entry) and held.get("until") != entry.get("until") else ""


def _is_same(held: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Both say the same, whoever said it and for however long."""
    return all(held.get(name) == entry.get(name) for name in ("pattern", "role", *_DECIDED))


def _shown(entry: Mapping[str, Any], field: str) -> str:
    value = entry.get(field)
    return "without end" if value is None else str(value) if isinstance(value, date) else repr(value)


def _read(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        held = tomllib.loads(text)
    except FileNotFoundError:
        return "", {}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RegisterError(f"{file}: {error}", hint="mend the file; it must be TOML in UTF-8") from error
    entries = held.get(_TABLE, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RegisterError(f"{file}: {_TABLE} is not a list of entries", hint=f"write each as [[{_TABLE}]]")
    return text, held


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    """False where entries cannot be appended, as to a list written in one pair of brackets."""
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _write(file: Path, text: str) -> None:
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("x", encoding="utf-8", newline="\n") as out:
            if file.exists():
                os.fchmod(out.fileno(), stat.S_IMODE(file.stat().st_mode))
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the folder against a second writer, and makes what was renamed in it durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)
