"""Everything a scan tells about one partner, identity, credential, resource, leak, policy, setting, finding or case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from nhiscan import statements
from nhiscan.narrow import find_partner
from nhiscan.path import not_one

_MANY: Final = 20  # neighbours, members, users and the like beyond this are counted and not listed


@dataclass(frozen=True)
class Section:
    """A titled answer of a query; `more`: rows beyond those listed."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: int = 0


_HASH: Final = re.compile(r"[0-9a-f]{6,}")  # enough of an id of a case or finding to mean one

_PARTNER: Final = {
    "partner": "select * from partner_facts where partner_id = $id",
    "contracts": "select * from contracts where partner_id = $id order by contract_id",
    "contract state": "select * from partner_tenants where partner_id = $id order by tenant_id",
    "packages": "select * from package_assignments where partner_id = $id order by package_id, assigned_at",
    "attestations": "select * from attestations where partner_id = $id order by attested_at, attestation_id",
    "identities": """
        select i.identity_id, p.role, p.evidence, p.confidence, p.verdict
        from identity_partners p
        join identities i on i.identity_key = p.identity_key
        where p.partner_id = $id
        order by 1, 2, 3""",
    "credentials": """
        select c.credential_id, c.is_live, c.age_days, c.last_used_at, c.last_used_known, c.last_used_source
        from credential_facts c
        where c.identity_key in (
            select p.identity_key from identity_partners p where p.partner_id = $id and p.verdict = 'asserted')
        order by 1""",
    "cases": """
        select severity, score_low, subject_name, message, case_id
        from cases
        where partner_id = $id
        order by score_low desc, case_id""",
}
_RULE: Final = "select r.rule_id, r.title, r.why, r.fix, r.refuted_by, r.params, r.version from rules r"
_CASE: Final = {
    "case": "select * from cases where case_id = $id",
    "findings": """
        select rule_id, severity, subject_name, message, status, first_seen, finding_id
        from findings
        where case_id = $id
        order by score_low desc, finding_id""",
    "evidence": """
        select f.rule_id, e.label, e.value
        from finding_evidence e
        join findings f on f.finding_id = e.finding_id
        where f.case_id = $id
        order by f.score_low desc, f.finding_id, e.seq""",
    "rules": f"""
        {_RULE}
        where r.rule_id in (select f.rule_id from findings f where f.case_id = $id)
        order by r.rule_id""",
}
_FINDING: Final = {
    "finding": "select * from findings where finding_id = $id",
    "rule": f"{_RULE} join findings f on f.rule_id = r.rule_id where f.finding_id = $id",
    "evidence": "select label, value from finding_evidence where finding_id = $id order by seq",
}
_CREDENTIAL: Final = {"credential": "select * from credential_facts where credential_id = $id"}
_IDENTITY: Final = {
    "identity": "select * from identity_facts where identity_key = $id",
    "partners": "select * exclude identity_key from identity_partners where identity_key = $id order by all",
    "owners": "select * exclude identity_key from identity_owners where identity_key = $id order by all",
    "credentials": """
        select credential_id, is_live, age_days, last_used_at, last_used_known, last_used_source
        from credential_facts
        where identity_key = $id
        order by 1""",
    "effective privilege": """
        select p.verb, p.scope, p.certainty,
               coalesce(p.level, case when p.certainty = 'definite' then n.level end) as level,
               l.name as policy, case when g.kind not in ('group', 'entity') then null else g.name end as through_group,
               case when g.kind not in ('group', 'entity') then g.name end as by_token_of, p.statement, p.considered
        from privileges p
        left join narrow_levels n on n.identity_key = p.identity_key and n.verb = p.verb
        left join policies l on l.policy_key = p.policy_key
        left join identities g on g.identity_key = p.via_key
        where p.identity_key = $id
        order by 4 desc nulls last, p.verb, p.scope, p.certainty, p.statement, l.name, g.name, p.considered""",
    "unused privilege": """
        select verb, level, is_used, last_used_at, services, services_unused, known_from, source, evidence
        from unused_privileges
        where identity_key = $id
        order by level desc, verb, is_used""",
    "paths": """
        select r.goal, r.certainty, r.hops, n.identity_id as next_id
        from reach r
        left join identities n on n.identity_key = r.next_key
        where r.identity_key = $id
        order by all""",
}
_IDENTITY_FROM_OUTSIDE: Final = {
    "trusts": """
        select mechanism, principal, external_id_check, audience_check, subject_check, narrowed_by
        from trusts
        where identity_key = $id
        order by all""",
    "findings": """
        select f.outcome, f.severity, f.rule_id, f.message, f.finding_id
        from findings f
        join identities i on i.identity_id = f.identity_id
        where i.identity_key = $id
        order by f.outcome, f.score_low desc, f.finding_id""",
}
# Of apps and users of a CRM only.
_APP: Final = {
    "app": """
        select * exclude (identity_key, identity_id, tenant_id, name, scopes)
        from app_facts
        where identity_key = $id""",
    "scopes": "select scope, gives from app_scopes where identity_key = $id order by all",
}
_RECORDS: Final = {
    "records": """
        select d.object, a.can_read, a.can_write, a.record_scope, a.record_scope_high, a.visible_records,
               a.foreign_records, d.records, a.evidence
        from record_access a
        join data_objects d on d.resource_key = a.resource_key
        where a.identity_key = $id
        order by d.object""",
    "fields it may change": """
        select d.object, d.field_name, d.is_guarded, a.evidence
        from field_access a
        join data_objects d on d.resource_key = a.resource_key
        where a.identity_key = $id
        order by all""",
}
# Groups and entities stand for others and have no facts of their own.
_GROUP: Final = {
    "group": "select * exclude identity_key from identities where identity_key = $id",
    "policies": """
        select p.policy_id, b.role
        from policy_bindings b
        join policies p on p.policy_key = b.policy_key
        where b.identity_key = $id
        order by all""",
    "who is in it": "select * exclude (role_key, role_id) from role_facts where role_key = $id",
    "grants": """
        select g.permission, r.resource_id, g.record_scope, g.source
        from grants g
        left join resources r on r.resource_key = g.resource_key
        where g.identity_key = $id
        order by all""",
    "findings": """
        select f.outcome, f.severity, f.rule_id, f.message, f.finding_id
        from findings f
        join identities i on i.identity_id = f.subject_id
        where f.subject_kind = 'role' and i.identity_key = $id
        order by f.outcome, f.score_low desc, f.finding_id""",
}
_OF_SUBJECT: Final = """
    select outcome, severity, rule_id, message, finding_id
    from findings
    where subject_kind = '{kind}' and subject_id = $id
    order by outcome, score_low desc, finding_id"""
_RESOURCE: Final = {
    "resource": "select * from resource_facts where resource_id = $id",
    "tags": """
        select t.name, t.value
        from resource_tags t
        join resource_facts r on r.resource_key = t.resource_key
        where r.resource_id = $id
        order by all""",
    "stored secret": """
        select s.* exclude (resource_key, fingerprint)
        from stored_secrets s
        join resource_facts r on r.resource_key = s.resource_key
        where r.resource_id = $id""",
    "grants": """
        select g.principal_kind, g.principal, g.permission, g.narrowed_by, g.source
        from grants g
        join resource_facts r on r.resource_key = g.resource_key
        where r.resource_id = $id
        order by all""",
    "findings": _OF_SUBJECT.format(kind="resource"),
}
_POLICY: Final = {
    "policy": """
        select policy_id, kind, name, document
        from policies
        where policy_id = $id""",
    "bindings": """
        select i.identity_id, b.role
        from policy_bindings b
        join policies p on p.policy_key = b.policy_key
        join identities i on i.identity_key = b.identity_key
        where p.policy_id = $id
        order by all""",
    "what it opens": "select * exclude policy_key from policy_facts where policy_id = $id",
    "findings": _OF_SUBJECT.format(kind="policy"),
}
_OBJECT: Final = {
    "object": """
        select d.* exclude resource_key
        from data_objects d
        join resource_facts r on r.resource_key = d.resource_key
        where r.resource_id = $id""",
    "classification": """
        select distinct c.visibility_class, c.protected_field, c.classification, c.register_row
        from data_objects d
        join resource_facts r on r.resource_key = d.resource_key
        join classifications c
            on lower(c.system) in (lower(r.provider), lower(r.tenant_id))
            and lower(c.object) = lower(d.object)
            and lower(coalesce(c.field, '')) = lower(coalesce(d.field_name, ''))
        where r.resource_id = $id
        order by all""",
}
_INTEGRATION: Final = {
    "integration": "select * from integration_facts where integration_id = $id",
    "findings": _OF_SUBJECT.format(kind="integration"),
}
_SETTING: Final = {
    "setting": "select * from setting_facts where setting_id = $id",
    "findings": _OF_SUBJECT.format(kind="setting"),
}
_LEAK: Final = {
    "leak": "select * from leak_facts where leak_id = $id",
    "findings": _OF_SUBJECT.format(kind="leak"),
}
_ACCEPTANCE: Final = {
    "acceptance": "select * from acceptance_facts where acceptance_id = $id",
    "findings": _OF_SUBJECT.format(kind="acceptance"),
}
_OFFBOARDING: Final = {
    "offboarding": "select * from offboarding_facts where offboarding_id = $id",
    "steps": "select step, action, target_id, done_at, is_gone, seen "
    "from step_facts where offboarding_id = $id order by step",
}
# What is not an identity, and where its ids are.
_OTHERS: Final = (
    ("select resource_id from resource_facts where resource_id = $name or native_id = $name", _RESOURCE),
    ("select policy_id from policies where policy_id = $name or native_id = $name", _POLICY),
    ("select integration_id from integration_facts where integration_id = $name", _INTEGRATION),
    ("select setting_id from setting_facts where setting_id = $name", _SETTING),
    ("select leak_id from leak_facts where leak_id = $name", _LEAK),
    ("select acceptance_id from acceptance_facts where acceptance_id = $name", _ACCEPTANCE),
    ("select offboarding_id from offboarding_facts where offboarding_id = $name", _OFFBOARDING),
)

_BETWEEN: Final = (_RESOURCE, _POLICY)  # what may lie between two identities


def partner(con: duckdb.DuckDBPyConnection, name: str) -> list[Section]:
    """Everything one partner holds; `name` is its id, or its name in any case.

    Raises: QueryError when nothing or more than one partner is meant.
    """
    return _sections(con, _PARTNER, find_partner(con, name)[0])


def anything(con: duckdb.DuckDBPyConnection, name: str) -> list[Section]:
    """One case or finding by its id or the beginning of it, anything else by its id or the provider's.

    Raises: QueryError when nothing or more than one thing is meant.
    """
    if _HASH.fullmatch(name):
        begun = con.execute(
            "select case_id, true from cases where starts_with(case_id, $name) "
            "union all select finding_id, false from findings where starts_with(finding_id, $name) order by 1",
            {"name": name},
        ).fetchall()
        if len(begun) > 1:
            raise not_one("case or finding", name, [row[0] for row in begun], ())
        for id_, is_case in begun:
            return _sections(con, _CASE if is_case else _FINDING, id_)
    credentials = con.execute(
        "select credential_id, identity_key from credential_facts where credential_id = $name or native_id = $name",
        {"name": name},
    ).fetchall()
    if len(credentials) == 1:
        credential_id, identity_key = credentials[0]
        return _sections(con, _CREDENTIAL, credential_id) + _identity(con, identity_key)
    found = con.execute(
        "select identity_key, identity_id from identity_facts where identity_id = $name or native_id = $name",
        {"name": name},
    ).fetchall()
    if not found:
        for sql, queries in _OTHERS:
            others = con.execute(sql, {"name": name}).fetchall()
            if len(others) == 1:
                id_ = others[0][0]
                ways = [_listed(con, "steps by way of it", "ways", {"id": id_})] if queries in _BETWEEN else []
                return [*_sections(con, queries, id_), *_further(con, queries, id_), *ways]
            found = found or [(None, id_) for (id_,) in others]
        groups = con.execute(
            "select identity_key from identities where identity_id = $name or native_id = $name", {"name": name}
        ).fetchall()
        if len(groups) == 1 and not found:
            key = groups[0][0]
            members = _listed(con, "members", "members", {"key": key})
            return [*_sections(con, _GROUP, key), members, *_neighbours(con, key)]
    if len(found) != 1:
        several = [row[0] for row in credentials] + [row[1] for row in found]
        known = con.execute("select identity_id from identity_facts union select credential_id from credential_facts")
        raise not_one("identity, credential, finding or case", name, several, (row[0] for row in known.fetchall()))
    return _identity(con, found[0][0])


def _identity(con: duckdb.DuckDBPyConnection, key: int) -> list[Section]:
    return [
        *_sections(con, _IDENTITY, key),
        *_in_crm(con, key),
        _listed(con, "leaked", "leaks", {"key": key}),
        *_neighbours(con, key),
        *_sections(con, _IDENTITY_FROM_OUTSIDE, key),
    ]


def _in_crm(con: duckdb.DuckDBPyConnection, key: int) -> list[Section]:
    """What apps and users of a CRM have and nothing else."""
    told = []
    if _holds(con, "app_facts", key):
        told += [*_sections(con, _APP, key), _listed(con, "users by its live tokens", "users", {"key": key})]
    if _holds(con, "record_access", key):
        told += _sections(con, _RECORDS, key)
    if _holds(con, "sign_ins", key):
        told.append(_listed(con, "sign-ins", "sign_ins", {"key": key}))
    return told


def _holds(con: duckdb.DuckDBPyConnection, table: str, key: int) -> bool:
    return con.execute(f"select 1 from {table} where identity_key = ? limit 1", [key]).fetchone() is not None


def _further(con: duckdb.DuckDBPyConnection, queries: Mapping[str, str], id_: str) -> list[Section]:
    """What may be long, of a resource or a leak."""
    if queries is _RESOURCE:
        return [_listed(con, "secrets seen", "seen", {"id": id_}), *_opened(con, id_)]
    if queries is _LEAK:
        lists = (("where it stands", "leak_texts"), ("where else the value is", "leak_copies"))
        return [_listed(con, title, name, {"id": id_}) for title, name in lists]
    return []


def _opened(con: duckdb.DuckDBPyConnection, resource_id: str) -> list[Section]:
    """Whom an object or a field of a CRM is open to."""
    kinds = con.execute("select kind from resource_facts where resource_id = ?", [resource_id]).fetchall()
    lists = {
        "crm_object": ("outsiders and partners", "readers"),
        "crm_field": ("who may change it", "editors"),
    }
    if kinds[0][0] not in lists:
        return []
    title, name = lists[kinds[0][0]]
    return [*_sections(con, _OBJECT, resource_id), _listed(con, title, name, {"id": resource_id})]


def _neighbours(con: duckdb.DuckDBPyConnection, key: int) -> list[Section]:
    return [
        _listed(con, "can become", "neighbours", {"key": key, "inward": False}),
        _listed(con, "can be taken over by", "neighbours", {"key": key, "inward": True}),
    ]


def _listed(con: duckdb.DuckDBPyConnection, title: str, name: str, params: Mapping[str, Any]) -> Section:
    """The first rows of a query whose last column is how many there are."""
    columns, rows = statements.answer(con, statements.sql("nhiscan.show", name), {**params, "most": _MANY})
    return Section(title, columns[:-1], [row[:-1] for row in rows], more=rows[0][-1] - len(rows) if rows else 0)


def _sections(con: duckdb.DuckDBPyConnection, queries: Mapping[str, str], id_: Any) -> list[Section]:
    return [Section(title, *statements.answer(con, sql, {"id": id_})) for title, sql in queries.items()]
