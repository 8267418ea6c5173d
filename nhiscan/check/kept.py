"""What is kept of a rule's rows: fails and unknowns with their words, and the evidence of the fails."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

import duckdb

from nhiscan import rule as rule_folders
from nhiscan.check.judging import OWN_COLUMNS, Judged, columns_of, literal, quoted
from nhiscan.config import nearest
from nhiscan.errors import RuleError
from nhiscan.rule import Bound, Rule


def keep(con: duckdb.DuckDBPyConnection, rule: Rule, bound: Bound, judged: Judged) -> None:
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
        if name not in (*OWN_COLUMNS, "uncovered") and name not in told
    ]
    if rule.check_by_hand:
        evidence.append((100102, "check by hand", _commands(rule, columns)))
    rows = ", ".join(f"{{'seq': {n}, 'label': {literal(label)}, 'value': {value}}}" for n, label, value in evidence)
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
        when = f"split_part(tenant_id, ':', 1) = {literal(provider)}"
        if kind:
            when += f" and kind = {literal(kind)}"
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
    columns = columns_of(con, "rule_evidence")
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
    column = prefix + quoted(name)
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
            parts.append(literal(text))
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
