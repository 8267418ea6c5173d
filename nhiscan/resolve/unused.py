"""Fills `unused_privileges`: what identities were granted beside what they used, by whatever keeps track of use.

AWS's access advisor dates the last use of each service, denied attempts included, so "used" means no more than that
something was asked of a service that gives the verb; CloudTrail's events name the action itself. Elsewhere a grant may
carry its own last use. What no source follows is null, and never called unused; only of an identity that was itself
never used it is sure that none of its rights was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import aws_iam, globs, privileges, table_privileges
from nhiscan.resolve.aws_actions import Catalogue, catalogue
from nhiscan.resolve.privilege_rows import batched, insert_rows

# No call of its own, so access advisor does not see it. Source: IAM User Guide, "Refine permissions using last accessed
# information".
_UNSEEN: Final = ("iam:PassRole",)
# The services whose events the AWS collector asks for.
_LOGGED_SERVICES: Final = ("iam", "sts")


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads privileges, narrow_levels, service_uses, usage, grants, identities and coverage."""
    con.execute(statements.sql("nhiscan.resolve", "unused_held"))
    _read_advisor(con)
    _read_logs(con)
    for (provider,) in con.execute(
        "select distinct g.provider from grants g join unused_held h on h.identity_key = g.identity_key order by all"
    ).fetchall():
        if provider not in privileges.EVALUATORS:
            table_privileges.read_grants(con, provider)
            con.execute(statements.sql("nhiscan.resolve", "unused_grants"))
            _sum_up(con, source="the grant itself")
            con.execute("drop view unused_parts")
            table_privileges.drop_grants(con)
    con.execute(statements.sql("nhiscan.resolve", "unused"))
    con.execute("drop table unused_held; drop table unused_sources; drop table unused_logged")


def _read_advisor(con: duckdb.DuckDBPyConnection) -> None:
    wanted = "select distinct u.identity_key from service_uses u join unused_held h using (identity_key)"
    if not con.execute(f"select count(*) from ({wanted})").fetchall()[0][0]:
        return  # the catalogue of actions takes a second to read
    documents = aws_iam.Documents(con)
    sets: dict[tuple[tuple[str, bool], ...], int] = {}
    found = aws_iam.combinations(con, documents, wanted=wanted)
    columns = (("combination", "bigint"), ("verb", "varchar"), ("services", "bigint"))
    insert_rows(con, "unused_verbs", columns, batched(_verbs(found, documents, sets)))
    rows = ((number, service, is_seen) for services, number in sets.items() for service, is_seen in services)
    columns = (("services", "bigint"), ("service", "varchar"), ("is_seen", "boolean"))
    insert_rows(con, "unused_services", columns, batched(rows))
    con.execute(statements.sql("nhiscan.resolve", "unused_advisor"))
    _sum_up(con, source="access advisor")
    con.execute("drop view unused_parts; drop table unused_verbs; drop table unused_services; drop table aws_holders")


def _verbs(
    found: Iterable[aws_iam.Combination],
    documents: aws_iam.Documents,
    sets: dict[tuple[tuple[str, bool], ...], int],
) -> Iterator[tuple[int, str, int]]:
    """Services of each verb of each combination, by the number of their set, as combinations share few sets."""
    actions = documents.actions
    for combination in found:
        sure = aws_iam.sure_actions(
            documents.own(combination), documents.limit(combination), combination.holder, actions
        )
        for verb, mask in (*sure.items(), ("admin", actions.core)):
            yield combination.number, verb, sets.setdefault(_services(mask, actions), len(sets))


def _services(mask: int, actions: Catalogue) -> tuple[tuple[str, bool], ...]:
    """Each service with whether its use would be seen."""
    unseen = 0
    for name in _UNSEEN:
        unseen |= actions.actions(name)
    seen = set(actions.services(mask & ~unseen))
    return tuple((service, service in seen) for service in actions.services(mask))


def _read_logs(con: duckdb.DuckDBPyConnection) -> None:
    names = con.execute("select distinct action from usage where provider = 'aws' order by action").fetchall()
    rows = ((name, verb) for (name,) in names for verb in _logged_verbs(name))
    insert_rows(con, "unused_actions", (("action", "varchar"), ("verb", "varchar")), batched(rows))
    con.execute(statements.sql("nhiscan.resolve", "unused_logged"))
    con.execute("drop table unused_actions")


def _logged_verbs(name: str) -> Iterator[str]:
    actions = catalogue()
    mask = 0
    for service in () if globs.is_wild(name) else _LOGGED_SERVICES:
        mask |= actions.actions(f"{service}:{name}")
    yield from (kind.verb for kind in actions.kinds(mask))
    if mask & actions.core:
        yield "admin"


def _sum_up(con: duckdb.DuckDBPyConnection, *, source: str) -> None:
    con.execute(statements.sql("nhiscan.resolve", "unused_sources"), {"source": source})
