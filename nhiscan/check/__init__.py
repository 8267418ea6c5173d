"""Rules -> outcomes -> findings -> cases.

A rule's own outcome is only what the rows say. What may be said is decided here: a pass needs the datasets
it relies on, a fail that rests on something not being there needs those it would be in. All of it is set-based,
because an estate has a million subjects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import duckdb

from nhiscan import rule as rule_folders
from nhiscan import statements
from nhiscan.check.judging import Judged, cover_tenants, judge, quoted
from nhiscan.check.kept import keep
from nhiscan.model import COVERED
from nhiscan.rule import Bound, Rule, check_overrides, load

__all__ = ["BASE", "SOFT_BASE", "Judged", "Rule", "begin", "check_overrides", "finish", "judge", "load", "run"]

# What a subject's absence from a rule relies on: without these, "gone" may only mean "not read".
BASE: Final[Mapping[str, tuple[str, ...]]] = {
    "identity": ("identities",),
    "credential": ("identities", "credentials"),
    "partner": ("register.partners",),
    "tenant": (),
    "resource": ("resources",),
    "policy": ("policies",),
    "integration": ("trusts",),
    "role": ("grants",),
    "setting": (),  # each rule needs the dataset of its own settings
    "leak": ("resources",),
    "acceptance": ("register.acceptances",),
}
# Not every provider or register has these, so they count only where reading them went wrong.
SOFT_BASE: Final[Mapping[str, tuple[str, ...]]] = {
    "identity": ("apps",),
    "credential": ("apps", "credentials.passwords", "credentials.service_specific"),
    "partner": ("apps", "identities", "identities.tags"),
    "tenant": ("identities",),  # whether a partner has access there
    "resource": ("workloads", "stored_secrets"),
    "policy": (),
    "integration": ("grants",),
    "role": ("memberships",),
    "setting": (),
    "leak": ("sightings.files", "sightings.history", "sightings.imports"),
    "acceptance": (),
}
_ATTRIBUTION: Final = (
    "identities.tags",
    "register.aliases",
    "register.contracts",
    "register.identity_map",
    "register.ownerships",
    "register.partners",
    "register.people",
)
_FAILING: Final = ("partial", "denied", "truncated", "failed", "carried")
# OWASP's exploitability, prevalence, detectability and impact, added: ties between equal scores.
# Source: OWASP NHI Top 10 2025, ranking-criteria.md.
_OWASP_WEIGHT: Final = dict(zip((f"NHI{n}:2025" for n in range(1, 11)), (12, 11, 10, 9, 9, 8, 8, 8, 8, 7), strict=True))


def run(
    con: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    overrides: Mapping[str, Mapping[str, Any]],
    previous: str | None = None,
) -> None:
    """Fills rules, rule_controls, rule_results, findings, finding_evidence and cases.

    `previous` names a schema or attached database that holds the scan before.
    Raises: ConfigError for an unknown setting, RuleError for a rule that breaks its contract.
    """
    begun = begin(con, rules, overrides, previous)
    for is_last in (False, True):
        if is_last:  # whether an acceptance stands turns on what was found where it speaks of
            con.execute(statements.sql("nhiscan.check", "vanished"))
            con.execute(statements.sql("nhiscan.check", "acceptances"))
        for rule, bound, not_assessed in begun:
            if (rule.subject == "acceptance") is is_last:
                judged = judge(con, rule, bound)
                if not_assessed is None:
                    keep(con, rule, bound, judged)
    finish(con)


def begin(
    con: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    overrides: Mapping[str, Mapping[str, Any]],
    previous: str | None,
) -> list[tuple[Rule, Bound, str | None]]:
    """The rules with their settings, ready to be judged, and why a rule may not judge."""
    check_overrides(rules, overrides)
    _prepare(con, previous)
    as_of = _as_of(con)
    begun = [
        (rule, rule_folders.bind(rule, overrides.get(rule.rule_id, {}), as_of=as_of), _not_assessed(con, rule))
        for rule in rules
    ]
    _describe(con, begun)
    con.execute(statements.sql("nhiscan.check", "dirt"))
    if previous is not None:
        cover_tenants(con, "run_previous")
    return begun


def finish(con: duckdb.DuckDBPyConnection) -> None:
    """Makes results, findings and cases of what was judged, and clears the working tables away."""
    con.execute(statements.sql("nhiscan.check", "results"))
    ((is_any,),) = con.execute("select exists (from run_judged) or exists (from run_previous)").fetchall()
    if is_any:
        for name in ("vanished", "findings", "cases", "evidence"):
            con.execute(statements.sql("nhiscan.check", name))
    _drop(con)


def _as_of(con: duckdb.DuckDBPyConnection) -> datetime:
    rows: list[tuple[datetime]] = con.execute("select as_of from scans").fetchall()
    return rows[0][0]


def _prepare(con: duckdb.DuckDBPyConnection, previous: str | None) -> None:
    """Makes the working tables.

    A register of which rows were quarantined still counts as read: a register always has dirt, and one bad row must
    not silence what is known of everybody else. What the row spoke of is handled where it matters: no partner is
    called ended, and no partner fails a rule, for want of a row that was dropped.
    """
    for table in ("rules", "rule_controls", "rule_results", "findings", "finding_evidence", "cases"):
        con.execute(f"delete from {table}")
    con.execute(statements.sql("nhiscan.check", "score"))
    con.execute(statements.sql("nhiscan.check", "prepare"))
    source = "findings where false" if previous is None else f'"{previous}".findings'
    con.execute(
        f"""
        insert into run_previous by name
        select
            *,
            outcome = 'fail' or score is not null as is_established,
            (outcome = 'fail' or score is not null) and status <> 'fixed' as is_standing
        from (
            select * exclude (case_id), case_id_of(subject_kind, coalesce(identity_id, subject_id)) as case_id
            from {source}
        )
        """
    )
    con.execute(statements.sql("nhiscan.check", "coverage"), {"covered": sorted(COVERED), "failing": list(_FAILING)})


def _describe(con: duckdb.DuckDBPyConnection, begun: Sequence[tuple[Rule, Bound, str | None]]) -> None:
    _insert(
        con,
        "rules",
        [
            (
                rule.rule_id,
                rule.family,
                rule.title,
                rule.why,
                rule.fix,
                rule.severity,
                rule.confidence,
                rule.subject,
                bound.version,
                bound.params,
                rule.refuted_by,
            )
            for rule, bound, _ in begun
        ],
    )
    _insert(con, "rule_controls", [(rule.rule_id, *control) for rule, _, _ in begun for control in rule.controls])
    _insert(
        con,
        "run_rules",
        [
            (
                rule.rule_id,
                rule.subject,
                rule.severity,
                rule.confidence,
                rule.exposure,
                rule.floor,
                max((_OWASP_WEIGHT.get(control, 0) for _, control in rule.controls), default=0),
                not_assessed,
            )
            for rule, _, not_assessed in begun
        ],
    )
    _insert(con, "run_uses", [(rule.rule_id, *use) for rule, _, _ in begun for use in _uses(rule)])


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        con.execute(f"insert into {table} select {', '.join('unnest(?)' for _ in columns)}", columns)


def _uses(rule: Rule) -> Iterator[tuple[str, str]]:
    """Each dataset that the rule relies on, and what for."""
    for dataset in rule.needs:
        yield dataset, "needs"
    for dataset in rule.if_offered:
        yield dataset, "if_offered"
    for dataset in rule.absence:
        yield dataset, "absence"
    for dataset in BASE[rule.subject]:
        yield dataset, "base"
    for dataset in (*SOFT_BASE[rule.subject], *_ATTRIBUTION):
        yield dataset, "soft"


def _not_assessed(con: duckdb.DuckDBPyConnection, rule: Rule) -> str | None:
    """Why the rule may not judge: a register field that fewer than half of the rows fill."""
    for declared in rule.declared:
        table, _, field = declared.partition(".")
        rows = con.execute(
            "select coalesce(sum(filled) filter (where field = ?), 0), max(rows) from register_fields where holds = ?",
            [field, table],
        ).fetchall()
        filled, total = rows[0]
        if not total:
            return f"the register holds no {table.replace('_', ' ')}"
        if 2 * filled < total:
            return f"{filled} of {total} declared"
    return None


def _drop(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("drop view if exists run_subjects")
    for table in con.execute("select table_name from duckdb_tables() where temporary").fetchall():
        if re.match(r"(run|rule)_", table[0]):
            con.execute(f"drop table temp.{quoted(table[0])}")
