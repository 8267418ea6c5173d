"""identity_map applied: which identity each decision of a person speaks about."""

from __future__ import annotations

import re
from typing import Final

import duckdb

from nhiscan import statements

_MATCHED: Final = ("identity_id", "native_id", "name")
_LONGEST_PREFIX: Final = 24  # gets past "aws:111111111111:user/", so that few names remain for the pattern itself


def match(con: duckdb.DuckDBPyConnection) -> None:
    """Fills the temporary table `decisions`: one row an identity and identity_map row in force at as_of.

    `is_exact`: the pattern has no wildcard, so it speaks about this identity alone and beats patterns.
    """
    con.execute(statements.sql("nhiscan.resolve", "decisions"))
    for column in _MATCHED:
        con.execute(
            f"""
            insert into decision_matches
            select i.identity_key, d.decision
            from decision_rows d
            join identities i on i.{column} = d.pattern
            where d.is_exact
            """
        )
    # A pattern's literal beginning is joined first: matching every pattern with every name would take minutes.
    rows = con.execute("select decision, pattern from decision_rows where not is_exact order by decision").fetchall()
    for length in sorted({len(_prefix(pattern)) for _, pattern in rows}):
        globs = [(number, pattern) for number, pattern in rows if len(_prefix(pattern)) == length]
        for column in _MATCHED:
            con.execute(
                f"""
                insert into decision_matches
                select i.identity_key, g.decision
                from (
                    select unnest($decision::bigint[]) as decision,
                        unnest($prefix::varchar[]) as prefix,
                        unnest($glob::varchar[]) as glob
                ) g
                join identities i on left(i.{column}, {length}) = g.prefix
                where i.{column} like g.glob escape '\\'
                """,
                {
                    "decision": [number for number, _ in globs],
                    "prefix": [_prefix(pattern) for _, pattern in globs],
                    "glob": [_like(pattern) for _, pattern in globs],
                },
            )
    con.execute(
        """
        create or replace temp table decisions as
        select m.identity_key, d.*
        from (select distinct identity_key, decision from decision_matches) m
        join decision_rows d using (decision)
        join identities i using (identity_key)
        where i.kind not in ('group', 'entity')
        """
    )


def _prefix(pattern: str) -> str:
    return re.split(r"[*?]", pattern)[0][:_LONGEST_PREFIX]


def _like(pattern: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%").replace("?", "_")
