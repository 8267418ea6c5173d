"""What a rule's rows may say: a pass and a fail only as far as what they rely on was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import duckdb

from nhiscan import statements
from nhiscan.config import nearest
from nhiscan.errors import RuleError
from nhiscan.rule import Bound, Rule

OWN_COLUMNS: Final = ("subject_id", "tenant_id", "outcome", "severity", "exposure")


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
    columns = columns_of(con, "rule_rows")
    for name in OWN_COLUMNS[:3]:
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
        cover_tenants(con, "rule_rows")
    return Judged(_judged(rule, columns), _judged_columns(columns), rows, fails)


def _judged(rule: Rule, columns: Mapping[str, str]) -> str:
    scope = "subject_id" if rule.subject == "partner" else "tenant_id"
    own = "".join(
        f", {f'r.{name}' if name in columns else f'cast(null as {kind})'} as {name}"
        for name, kind in (("severity", "varchar"), ("exposure", "double"))
    )
    extra = "".join(f", r.{quoted(name)}" for name in columns if name not in OWN_COLUMNS)
    of_rule = f"rule_id = {literal(rule.rule_id)}"
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
                join run_subjects s on s.kind = {literal(rule.subject)} and s.partner_id = q.partner_id
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


def cover_tenants(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Adds to run_gaps what is not covered in tenants of the table that no rule met before, for all rules at once."""
    ((added,),) = con.execute(statements.sql("nhiscan.check", "cover_tenants").format(table=table)).fetchall()
    if added:
        con.execute(statements.sql("nhiscan.check", "cover"))


def _cover_partners(con: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    """Adds to run_gaps what is not covered of each of the rule's partners, over all tenants of theirs."""
    con.execute(statements.sql("nhiscan.check", "cover_partners"), {"rule": rule.rule_id})
    con.execute(statements.sql("nhiscan.check", "cover"))


def columns_of(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in con.execute(f"describe {table}").fetchall()}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
