"""Rules -> outcomes -> findings -> cases.

A rule's own outcome is only what the rows say. What may be said is decided here: a pass needs the datasets
it relies on, a fail that rests on something not being there needs those it would be in. All of it is set-based,
because an estate has a million subjects.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import duckdb

from nhiscan import rule as rule_folders
from nhiscan import statements, store
from nhiscan.config import nearest
from nhiscan.errors import RuleError
from nhiscan.model import COVERED, DATASETS
from nhiscan.resolve import log_reach
from nhiscan.rule import Bound, Rule, check_overrides, load

__all__ = [
    "KINDS",
    "CaseResult",
    "Judged",
    "Rule",
    "check_overrides",
    "judge",
    "load",
    "opened_case",
    "outcomes",
    "run",
    "test_cases",
]

KINDS: Final = ("fires", "silent", "boundary", "unknown")

_OWN_COLUMNS: Final = ("subject_id", "tenant_id", "outcome", "severity", "exposure")
# What a subject's absence from a rule relies on: without these, "gone" may only mean "not read".
_BASE: Final[Mapping[str, tuple[str, ...]]] = {
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
_SOFT_BASE: Final[Mapping[str, tuple[str, ...]]] = {
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
    begun = _begin(con, rules, overrides, previous)
    for is_last in (False, True):
        if is_last:  # whether an acceptance stands turns on what was found where it speaks of
            con.execute(statements.sql("nhiscan.check", "vanished"))
            con.execute(statements.sql("nhiscan.check", "acceptances"))
        for rule, bound, not_assessed in begun:
            if (rule.subject == "acceptance") is is_last:
                judged = judge(con, rule, bound)
                if not_assessed is None:
                    _keep(con, rule, bound, judged)
    _finish(con)


def _begin(
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
        _cover_tenants(con, "run_previous")
    return begun


def _finish(con: duckdb.DuckDBPyConnection) -> None:
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


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


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
    for dataset in _BASE[rule.subject]:
        yield dataset, "base"
    for dataset in (*_SOFT_BASE[rule.subject], *_ATTRIBUTION):
        yield dataset, "soft"


@dataclass(frozen=True)
class Judged:
    """A rule's rows: `sql` selects them with outcomes as far as coverage allows these, `fails` are by its own word."""

    sql: str
    columns: Mapping[str, str]
    rows: int
    fails: int


def judge(con: duckdb.DuckDBPyConnection, rule: Rule, bound: Bound) -> Judged:
    """Makes the table rule_rows, which holds until the next rule is judged.

    Raises: RuleError when the rows break the contract of a rule.
    """
    try:
        con.execute(f"create or replace temp table rule_rows as {bound.query}", dict(bound.query_values))
    except duckdb.Error as error:
        raise RuleError(f"{rule.rule_id}/query.sql: {error}", hint="mend the SQL") from error
    columns = _columns(con, "rule_rows")
    for name in _OWN_COLUMNS[:3]:
        if name not in columns:
            raise RuleError(f"{rule.rule_id}/query.sql: column {name} is missing", hint=nearest(name, columns))
    rows, fails = _check_rows(con, rule, columns)
    if rows:
        provider = "'all'" if rule.subject == "partner" else "split_part(tenant_id, ':', 1)"
        con.execute(
            f"insert into run_totals select ?, {provider}, sum(n) "
            "from (select tenant_id, count(*) as n from rule_rows group by tenant_id) group by 2",
            [rule.rule_id],
        )
    if rule.subject == "partner":
        _cover_partners(con, rule)
    elif rows:
        _cover_tenants(con, "rule_rows")
    return Judged(_judged(rule, columns), _judged_columns(columns), rows, fails)


def _judged(rule: Rule, columns: Mapping[str, str]) -> str:
    scope = "subject_id" if rule.subject == "partner" else "tenant_id"
    own = "".join(
        f", {f'r.{name}' if name in columns else f'cast(null as {kind})'} as {name}"
        for name, kind in (("severity", "varchar"), ("exposure", "double"))
    )
    extra = "".join(f", r.{_quoted(name)}" for name in columns if name not in _OWN_COLUMNS)
    of_rule = f"rule_id = {_literal(rule.rule_id)}"
    missing, joins = "cast(null as varchar)", ""
    if rule.absence:
        # What failed in the scan before still does where the same rows, carried from a complete reading, say so.
        missing = (
            "case when p.subject_id is not null and g.was_absence_covered then d.datasets "
            "else nullif(concat_ws(', ', g.absence, d.datasets), '') end"
        )
        joins = f"""
            left join (
                select s.subject_id, q.datasets
                from run_dirt q
                join run_subjects s on s.kind = {_literal(rule.subject)} and s.partner_id = q.partner_id
                where q.{of_rule}
            ) d on d.subject_id = r.subject_id
            left join (
                select subject_id from run_previous where {of_rule} and outcome = 'fail' and is_standing
            ) p on p.subject_id = r.subject_id
            """
    return f"""
        select
            r.subject_id,
            r.tenant_id,
            case
                when r.outcome = 'pass' and g.needs is not null then 'unknown'
                when r.outcome = 'fail' and {missing} is not null then 'unknown'
                else r.outcome
            end as outcome,
            case
                when r.outcome = 'pass' then g.needs
                when r.outcome = 'fail' then {missing}
                else g.either
            end as uncovered
            {own}
            {extra}
        from rule_rows r
        left join run_gaps g on g.{of_rule} and g.scope = r.{scope}
        {joins}
        """


def _judged_columns(columns: Mapping[str, str]) -> dict[str, str]:
    """The columns of `_judged` and their types."""
    own = {"subject_id": columns["subject_id"], "tenant_id": columns["tenant_id"], "outcome": "VARCHAR"}
    own |= {"uncovered": "VARCHAR"}
    own |= {name: columns.get(name, kind) for name, kind in (("severity", "VARCHAR"), ("exposure", "DOUBLE"))}
    return own | {name: kind for name, kind in columns.items() if name not in own}


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in con.execute(f"describe {table}").fetchall()}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _check_rows(con: duckdb.DuckDBPyConnection, rule: Rule, columns: Mapping[str, str]) -> tuple[int, int]:
    """How many rows there are, and how many of them fail."""
    needs_tenant = rule.subject != "partner"
    severity = "severity" if "severity" in columns else "cast(null as varchar)"
    # Counting hashes is several times faster than texts; the exact count follows only when it finds something.
    total, fails, distinct, nameless, homeless, outcome, word = con.execute(
        f"""
        select
            count(*),
            count(*) filter (where outcome = 'fail'),
            count(distinct hash(subject_id)),
            count(*) filter (where subject_id is null),
            count(*) filter (where tenant_id is null),
            max(coalesce(cast(outcome as varchar), 'null'))
                filter (where outcome is null or outcome not in ('fail', 'pass', 'unknown')),
            max({severity}) filter (where {severity} not in ('critical', 'high', 'medium', 'low', 'info'))
        from rule_rows
        """
    ).fetchall()[0]
    if nameless:
        raise RuleError(f"{rule.rule_id}: a row has no subject_id", hint="leave such rows out")
    if needs_tenant and homeless:
        raise RuleError(f"{rule.rule_id}: a row has no tenant_id", hint="coverage is looked up there")
    if outcome is not None:
        raise RuleError(f"{rule.rule_id}: unknown outcome {outcome!r}", hint="return fail, pass or unknown")
    if word is not None:
        raise RuleError(f"{rule.rule_id}: unknown severity {word!r}", hint="return critical, high, medium, low or info")
    if distinct != total:
        twice = con.execute(
            "select subject_id from rule_rows group by subject_id having count(*) > 1 order by subject_id limit 1"
        ).fetchall()
        if twice:
            raise RuleError(f"{rule.rule_id}: judges {twice[0][0]} more than once", hint="return each subject once")
    return total, fails


def _cover_tenants(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Adds to run_gaps what is not covered in tenants of the table that no rule met before, for all rules at once."""
    ((added,),) = con.execute(statements.sql("nhiscan.check", "cover_tenants").format(table=table)).fetchall()
    if added:
        con.execute(statements.sql("nhiscan.check", "cover"))


def _cover_partners(con: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    """Adds to run_gaps what is not covered of each of the rule's partners, over all tenants of theirs."""
    con.execute(statements.sql("nhiscan.check", "cover_partners"), {"rule": rule.rule_id})
    con.execute(statements.sql("nhiscan.check", "cover"))


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


def _keep(con: duckdb.DuckDBPyConnection, rule: Rule, bound: Bound, judged: Judged) -> None:
    """Stores fails and unknowns, and what the rule itself says as evidence of its fails."""
    columns = judged.columns
    message = _template(rule, "message", rule.message, columns)
    unknown = _template(
        rule, "unknown", rule.unknown or f"cannot be said: {rule.title[:1].lower()}{rule.title[1:]}", columns
    )
    if judged.rows:
        con.execute(
            f"""
            insert into run_judged
            select
                finding_id_of($rule, subject_id),
                $rule,
                subject_id,
                tenant_id,
                outcome,
                severity,
                exposure,
                case
                    when outcome = 'fail' then {message}
                    when uncovered is not null then 'cannot be said, because it was not read: ' || uncovered
                    else {unknown}
                end,
                uncovered
            from ({judged.sql})
            where outcome <> 'pass'
            """,
            {"rule": rule.rule_id},
        )
    told = {name for _, name, _, _ in string.Formatter().parse(rule.message)} - _by_hand(rule, columns)
    evidence = [
        (n, name.replace("_", " "), _text(name, kind))
        for n, (name, kind) in enumerate(columns.items(), 1)
        if name not in (*_OWN_COLUMNS, "uncovered") and name not in told
    ]
    if rule.check_by_hand:
        evidence.append((100102, "check by hand", _commands(rule, columns)))
    rows = ", ".join(f"{{'seq': {n}, 'label': {_literal(label)}, 'value': {value}}}" for n, label, value in evidence)
    if rows and judged.fails:
        con.execute(
            f"""
            insert into finding_evidence
            select finding_id, e.seq, e.label, e.value
            from (
                select finding_id_of(?, subject_id) as finding_id, unnest([{rows}]) as e
                from ({judged.sql})
                where outcome = 'fail'
            )
            where e.value is not null
            """,
            [rule.rule_id],
        )
    if bound.evidence is not None:
        _keep_evidence(con, rule, bound.evidence, bound.evidence_values, judged)


def _by_hand(rule: Rule, columns: Mapping[str, str]) -> set[str]:
    """The columns that the rule's runbooks need of a finding later, when its rows are gone."""
    asked = {name for runbook in rule.runbook for name in runbook.placeholders()}
    asked -= rule_folders.OF_TARGET | rule_folders.OF_FINDING
    for name in sorted(asked - columns.keys()):
        raise RuleError(
            f"{rule.rule_id}/rule.toml: a runbook names {{{name}}}, which is no column of query.sql nor known of all",
            hint=nearest(name, {*columns, *rule_folders.OF_TARGET, *rule_folders.OF_FINDING}),
        )
    return asked


def _commands(rule: Rule, columns: Mapping[str, str]) -> str:
    """SQL for the command of a row's provider and kind; null where there is none."""
    branches = []
    for applies_to, command in rule.check_by_hand:
        provider, _, kind = applies_to.partition(":")
        when = f"split_part(tenant_id, ':', 1) = {_literal(provider)}"
        if kind:
            when += f" and kind = {_literal(kind)}"
        filled = _template(rule, f"check_by_hand.{applies_to}", command, columns, is_command=True)
        branches.append(f"when {when} then {filled}")
    return f"case {' '.join(branches)} end"


def _keep_evidence(
    con: duckdb.DuckDBPyConnection, rule: Rule, sql: str, values: Mapping[str, Any], judged: Judged
) -> None:
    try:
        con.execute(f"create or replace temp table rule_evidence as {sql}", dict(values))
    except duckdb.Error as error:
        raise RuleError(f"{rule.rule_id}/evidence.sql: {error}", hint="mend the SQL") from error
    columns = _columns(con, "rule_evidence")
    if list(columns) != ["subject_id", "label", "value"]:
        raise RuleError(
            f"{rule.rule_id}/evidence.sql: returns {', '.join(columns)}", hint="return subject_id, label, value"
        )
    if not judged.fails:
        return
    con.execute(
        f"""
        insert into finding_evidence
        select
            j.finding_id,
            999 + row_number() over (partition by e.subject_id order by e.label, e.value),
            e.label,
            {_text("value", columns["value"], prefix="e.")}
        from rule_evidence e
        join run_judged j on j.rule_id = ? and j.subject_id = e.subject_id and j.outcome = 'fail'
        where e.value is not null
        """,
        [rule.rule_id],
    )


def _text(name: str, kind: str, *, prefix: str = "") -> str:
    """SQL that writes a column as a person would; null stays null."""
    column = prefix + _quoted(name)
    if kind.startswith("TIMESTAMP"):
        return f"replace(strftime({column}, '%Y-%m-%d %H:%M'), ' 00:00', '')"
    if kind == "BOOLEAN":
        return f"case {column} when true then 'yes' when false then 'no' end"
    return f"cast({column} as varchar)"


def _template(rule: Rule, key: str, template: str, columns: Mapping[str, str], *, is_command: bool = False) -> str:
    """SQL that fills `{column}`: an unknown value reads "unknown", in a command it leaves no command."""
    parts = []
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError as error:
        raise RuleError(f"{rule.rule_id}/rule.toml: {key}: {error}", hint="write {column}") from error
    for text, name, spec, conversion in fields:
        if text:
            parts.append(_literal(text))
        if name is None:
            continue
        if name not in columns or spec or conversion:
            raise RuleError(
                f"{rule.rule_id}/rule.toml: {key} names {{{name}}}, which is no column of query.sql",
                hint=nearest(name, columns),
            )
        value = _text(name, columns[name])
        parts.append(f"shell_quoted({value})" if is_command else f"coalesce({value}, 'unknown')")
    return " || ".join(parts) or "''"


def _drop(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("drop view if exists run_subjects")
    for table in con.execute("select table_name from duckdb_tables() where temporary").fetchall():
        if re.match(r"(run|rule)_", table[0]):
            con.execute(f"drop table temp.{_quoted(table[0])}")


@dataclass(frozen=True)
class CaseResult:
    """One case of a rule; no problem means that it came out as expected."""

    rule_id: str
    case: str
    problems: tuple[str, ...]


def test_cases(rule: Rule) -> list[CaseResult]:
    """Runs the rule's cases through the engine, and says which kinds of case are missing."""
    return list(_case_results(rule))


test_cases.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


def _case_results(rule: Rule) -> Iterator[CaseResult]:
    cases = rule.cases.get("case", [])
    excused = rule.cases.get("cases", {})
    missing = []
    for kind in KINDS:
        if kind in excused:
            if not str(excused[kind]).startswith("impossible: "):
                missing.append(f"[cases] {kind} does not say why it is impossible")
        elif not any(case.get("kind") == kind for case in cases):
            missing.append(f"no case of kind {kind}")
    missing += [f"unknown key {key!r}" for key in rule.cases if key not in ("as_of", "case", "cases")] + [
        f"[cases] excuses unknown kind {kind!r}" for kind in excused if kind not in KINDS
    ]
    yield CaseResult(rule.rule_id, "kinds of case", tuple(missing))
    for case in cases:
        yield CaseResult(rule.rule_id, str(case.get("name", "a case without a name")), tuple(_problems(rule, case)))


_CASE_KEYS: Final = ("kind", "name", "expect", "severity", "params", "as_of")


@contextmanager
def opened_case(rule: Rule, case: Mapping[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A scan with nothing but the case's rows; all that the rule relies on is covered unless the case says else."""
    with store.empty() as con:
        _fill(con, rule, case)
        yield con


def outcomes(con: duckdb.DuckDBPyConnection, rule: Rule, params: Mapping[str, Any]) -> dict[str, str]:
    """The outcome of every subject to which the rule applies."""
    ((_, bound, _),) = _begin(con, [rule], {rule.rule_id: params}, None)
    return _outcomes(con, judge(con, rule, bound))


def _outcomes(con: duckdb.DuckDBPyConnection, judged: Judged) -> dict[str, str]:
    return dict(con.execute(f"select subject_id, outcome from ({judged.sql})").fetchall())


def _problems(rule: Rule, case: Mapping[str, Any]) -> Iterator[str]:
    if case.get("kind") not in KINDS:
        yield f"unknown kind {case.get('kind')!r}"
    if not case.get("expect"):
        yield "it expects no outcome"
    for key in case:
        if key not in (*_CASE_KEYS, *store.tables()):
            yield f"unknown key {key!r}: {nearest(key, (*_CASE_KEYS, *store.tables()))}"
            return
    try:
        params = case.get("params", {})
        with opened_case(rule, case) as con:
            ((_, bound, not_assessed),) = _begin(con, [rule], {rule.rule_id: params}, None)
            rows = judge(con, rule, bound)
            judged = _outcomes(con, rows)
            if not_assessed is None:
                _keep(con, rule, bound, rows)
            _finish(con)
            severities = dict(con.execute("select subject_id, severity from findings").fetchall())
    except (RuleError, duckdb.Error) as error:
        yield str(error)
        return
    expected: dict[str, str] = case.get("expect", {})
    for subject in sorted(judged.keys() | expected.keys()):
        got, wanted = judged.get(subject, "not applicable"), expected.get(subject, "not applicable")
        if got != wanted:
            yield f"{subject}: expected {wanted}, got {got}"
    for subject, severity in case.get("severity", {}).items():
        if severities.get(subject) != severity:
            yield f"{subject}: expected severity {severity}, got {severities.get(subject)}"
    wanted_kind = {"fires": "fail", "silent": "pass", "unknown": "unknown"}.get(case.get("kind", ""))
    if wanted_kind and expected and wanted_kind not in expected.values():
        yield f"a case of kind {case['kind']} expects a {wanted_kind}"


def _fill(con: duckdb.DuckDBPyConnection, rule: Rule, case: Mapping[str, Any]) -> None:
    as_of = case.get("as_of", rule.cases.get("as_of"))
    if not isinstance(as_of, datetime):
        raise RuleError(f"{rule.rule_id}/cases.toml: as_of is missing", hint="write as_of = 2026-01-31T00:00:00Z")
    rows: dict[str, list[dict[str, Any]]] = {key: list(case[key]) for key in case if key not in _CASE_KEYS}
    rows.setdefault("scans", [{"as_of": as_of}])
    tenants = {row["tenant_id"] for table in rows.values() for row in table if row.get("tenant_id")}
    rows.setdefault("tenants", [{"tenant_id": tenant} for tenant in sorted(tenants)])
    read = set(rule.needs) | set(rule.absence) | set(_BASE[rule.subject])
    read |= {dataset for dataset in (*rule.if_offered, *_SOFT_BASE[rule.subject]) if dataset.startswith("sightings.")}
    rows.setdefault(
        "coverage",
        [
            {
                "tenant_id": "register:main" if dataset.startswith("register.") else tenant,
                "dataset": dataset,
                "status": "complete",
            }
            for dataset in sorted(read)
            for tenant in sorted(tenants or {"register:main"})
        ],
    )
    rows.setdefault(
        "register_fields",
        [
            {"holds": field.partition(".")[0], "field": field.partition(".")[2], "filled": 1, "rows": 1}
            for field in rule.declared
        ],
    )
    for table, entries in rows.items():
        columns = _columns(con, table)
        for row in entries:
            if table == "coverage" and row["dataset"] not in DATASETS:
                raise RuleError(f"{rule.rule_id}/cases.toml: unknown dataset {row['dataset']}")
            if "provider" in columns and "provider" not in row and "tenant_id" in row:
                row = row | {"provider": row["tenant_id"].partition(":")[0]}
            con.execute(
                f"insert into {table} ({', '.join(_quoted(name) for name in row)}) values ({_marks(row)})",
                [_naive(value) for value in row.values()],
            )
    if "log_reach" not in rows:  # it follows from coverage alone
        log_reach.run(con)


def _naive(value: date | datetime | Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
