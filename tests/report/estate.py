"""A made-up scan, written straight into its tables: a shared role, an ended contract, hostile names."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import duckdb

from nhiscan import store

AS_OF = datetime(2026, 1, 31, 2, 0)
MADE = datetime(2026, 1, 31, 3, 0)
AWS = "aws:111111111111"
DEV = "aws:222222222222"
HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=document.title="owned">',
    "' onmouseover='document.title=1",
    "</style><script>document.title='owned'</script>",
    "{{ 7 * 7 }}{% raise %}",
    "-->]]></title><svg/onload=document.title=1>",
    "javascript:document.title='owned'",
    "line\u2028separator\u2029end",
    "bidi \u202egnp.exe\u202c \u2066x\u2069",
    "nul \x00 bell \x07 escape \x1b[31m",
    "zero\u200bwidth\u200djoiner\ufeff",
    "tab\tnew\nline",
    "long" * 2500,
    "z\u0335\u0336\u0337\u0338\u0339\u033a\u033b\u033calgo",
    'style="position:fixed" & &amp; &#60;',
    "$(touch owned); `id` | cat",
)


def insert(con: duckdb.DuckDBPyConnection, table: str, *rows: dict[str, Any]) -> None:
    """Rows by column name; what is not named is null."""
    for row in rows:
        names = ", ".join(row)
        con.execute(f"insert into {table} ({names}) values ({', '.join('?' for _ in row)})", list(row.values()))


def scan(con: duckdb.DuckDBPyConnection, *, complete: bool = True, baseline: bool = True) -> None:
    insert(
        con,
        "scans",
        {
            "scan_id": "20260131T020000Z-4f2a",
            "as_of": AS_OF,
            "started_at": AS_OF,
            "finished_at": AS_OF + timedelta(minutes=4),
            "tool_version": "0.1.0",
            "company": "Acme",
            "is_complete": complete,
            "is_baseline": baseline,
        },
    )
    insert(con, "company", {"kind": "name", "value": "Acme"})


def cover(con: duckdb.DuckDBPyConnection, tenant_id: str, dataset: str, status: str = "complete", **more: Any) -> None:
    provider = tenant_id.split(":")[0]
    insert(
        con,
        "coverage",
        {
            "provider": provider,
            "tenant_id": tenant_id,
            "dataset": dataset,
            "status": status,
            "collected_at": AS_OF,
            **more,
        },
    )


def partner(con: duckdb.DuckDBPyConnection, partner_id: str, name: str, *, ended: bool = False, **more: Any) -> None:
    owner = more.pop("business_owner", f"owner-{partner_id.lower()}@acme.example")
    row = f"partners.csv:{len(partner_id) + 1}"
    insert(con, "partners", {"partner_id": partner_id, "name": name, "business_owner": owner, "register_row": row})
    insert(
        con,
        "partner_facts",
        {
            "partner_id": partner_id,
            "name": name,
            "type": "reseller",
            "tier": "gold",
            "risk_tier": "high",
            "business_owner": owner,
            "business_owner_status": "active",
            "identities": 0,
            "live_credentials": 0,
            "has_access": False,
            "contracts": 1,
            "contracts_in_force": 0 if ended else 1,
            "is_ended": ended,
            "ended_at": datetime(2025, 11, 1) if ended else None,
            "register_row": row,
            **more,
        },
    )
    insert(
        con,
        "contracts",
        {
            "contract_id": f"C-{partner_id}",
            "partner_id": partner_id,
            "kind": "reseller",
            "status": "terminated" if ended else "active",
            "start_date": date(2023, 1, 1),
            "end_date": date(2025, 10, 31) if ended else date(2027, 1, 1),
            "auto_renew": False,
            "dates_readable": True,
            "register_row": f"contracts.csv:{partner_id}",
        },
    )


def identity(
    con: duckdb.DuckDBPyConnection,
    key: int,
    name: str,
    *,
    partner_id: str | None = None,
    partner_name: str | None = None,
    kind: str = "service_account",
    tenant_id: str = AWS,
    owner: str | None = None,
    is_admin: bool | None = False,
    ended: bool | None = False,
    key_age: int | None = 120,
) -> str:
    """One identity with its facts, one access key, its claim and its owner; returns its id."""
    word = "role" if kind == "workload_role" else "user"
    identity_id = f"{tenant_id}:{word}/{name}"
    native_id = f"arn:aws:iam::{tenant_id.split(':')[1]}:{word}/{name}"
    told = {
        "identity_key": key,
        "identity_id": identity_id,
        "provider": "aws",
        "tenant_id": tenant_id,
        "kind": kind,
        "name": name,
        "native_id": native_id,
        "is_nhi": True,
        "created_at": datetime(2023, 5, 1),
        "last_used_at": datetime(2026, 1, 25, 9),
        "last_used_known": True,
        "last_used_source": "access key, to the hour",
    }
    insert(con, "identities", {**told, "status": "enabled"})
    insert(
        con,
        "identity_facts",
        {
            **told,
            "is_enabled": True,
            "has_access": True,
            "is_trusted_from_outside": kind == "workload_role",
            "is_partner_related": True,
            "partner_id": partner_id,
            "partner_name": partner_name,
            "partner_role": "operator" if partner_id else None,
            "partner_count": 1 if partner_id else 0,
            "is_partner_disputed": False,
            "owner_mail": owner,
            "active_owners": 1 if owner else 0,
            "level": 5 if is_admin else 3,
            "level_high": 5,
            "is_admin": is_admin,
            "admin_evidence": "Allow * on * by AdministratorAccess; SCPs not read" if is_admin else None,
            "live_credentials": 0 if key_age is None else 1,
            "contract_is_ended": ended,
            "contract_ended_at": datetime(2025, 11, 1) if ended else None,
            "contract_id": f"C-{partner_id}" if partner_id else None,
            "contract_reason": "the only contract that grants access ended" if ended else "a contract is in force",
            "use_after_end_at": datetime(2026, 1, 25, 9) if ended else None,
        },
    )
    if key_age is not None:
        native = f"AKIAEXAMPLE{key:09d}"
        credential = {
            "credential_key": key,
            "credential_id": f"{tenant_id}:access_key/{native}",
            "identity_key": key,
            "provider": "aws",
            "tenant_id": tenant_id,
            "kind": "access_key",
            "native_id": native,
            "is_replaceable": True,
            "created_at": AS_OF - timedelta(days=key_age),
            "last_used_at": datetime(2026, 1, 25, 9),
            "last_used_known": True,
            "last_used_source": "GetAccessKeyLastUsed, to the hour",
            "expiry_known": True,
        }
        insert(con, "credentials", {**credential, "status": "active"})
        insert(con, "credential_facts", {**credential, "is_live": True, "age_days": key_age})
    if partner_id is not None:
        claim(con, key, partner_id)
        con.execute(
            "update partner_facts set identities = identities + 1, live_credentials = live_credentials + ?,"
            " has_access = true, level = greatest(coalesce(level, 0), ?) where partner_id = ?",
            [0 if key_age is None else 1, 5 if is_admin else 3, partner_id],
        )
    if owner is not None:
        insert(
            con,
            "identity_owners",
            {
                "identity_key": key,
                "mail": owner,
                "role": "technical",
                "source": "tag",
                "evidence": f"tag owner = {owner}",
                "confidence": 0.8,
                "verdict": "asserted",
                "person_status": "active",
            },
        )
    return identity_id


def claim(con: duckdb.DuckDBPyConnection, key: int, partner_id: str, **more: Any) -> None:
    insert(
        con,
        "identity_partners",
        {
            "identity_key": key,
            "partner_id": partner_id,
            "role": "operator",
            "source": "tag",
            "evidence": f"tag partner = {partner_id}",
            "confidence": 0.8,
            "verdict": "asserted",
            "register_row": f"partners.csv:{partner_id}",
            **more,
        },
    )


def rule(con: duckdb.DuckDBPyConnection, rule_id: str, severity: str, control: str, **more: Any) -> None:
    insert(
        con,
        "rules",
        {
            "rule_id": rule_id,
            "family": "nhi01-improper-offboarding",
            "title": rule_id.replace("-", " ").capitalize(),
            "why": "A legal basis for access no longer exists and nobody is watching.",
            "fix": "Disable the identity, then rotate what it knew.",
            "severity": severity,
            "confidence": 0.9,
            "subject": "identity",
            "version": "5e1f0c2a",
            "params": "max_age_days = 90",
            "refuted_by": "a contract in force that covers this tenant",
            **more,
        },
    )
    insert(con, "rule_controls", {"rule_id": rule_id, "framework": "owasp_nhi_2025", "control_id": control})


def result(con: duckdb.DuckDBPyConnection, rule_id: str, **counts: Any) -> None:
    insert(
        con,
        "rule_results",
        {"rule_id": rule_id, "provider": "aws", "evaluated": 0, "failed": 0, "passed": 0, "unknown": 0, **counts},
    )


def finding(
    con: duckdb.DuckDBPyConnection,
    finding_id: str,
    rule_id: str,
    identity_id: str,
    *,
    case_id: str | None,
    severity: str = "critical",
    score: float = 80,
    message: str = "still has access although the contract ended",
    evidence: tuple[tuple[str, str], ...] = (("last use", "2026-01-25 09:00 UTC by GetAccessKeyLastUsed"),),
    **more: Any,
) -> None:
    insert(
        con,
        "findings",
        {
            "finding_id": finding_id,
            "rule_id": rule_id,
            "subject_kind": "identity",
            "subject_id": identity_id,
            "subject_name": identity_id.split("/", 1)[-1],
            "provider": "aws",
            "tenant_id": ":".join(identity_id.split(":")[:2]),
            "identity_id": identity_id,
            "outcome": "fail" if case_id else "unknown",
            "status": "open",
            "severity": severity,
            "confidence": 0.9,
            "score": score,
            "score_low": score - 10,
            "score_high": score + 5,
            "band": severity,
            "message": message,
            "first_seen": AS_OF,
            "last_seen": AS_OF,
            "case_id": case_id,
            **more,
        },
    )
    for seq, (label, value) in enumerate(evidence):
        insert(con, "finding_evidence", {"finding_id": finding_id, "seq": seq, "label": label, "value": value})


def case(con: duckdb.DuckDBPyConnection, case_id: str, lead: str, **more: Any) -> None:
    """A case around findings that are already there."""
    names = (
        "rule_id, subject_kind, identity_id, subject_id, subject_name, provider, tenant_id, partner_id, owner_mail,"
        " message, severity, score, score_low, band"
    )
    row = con.execute(f"select {names} from findings where finding_id = ?", [lead]).fetchone()
    assert row is not None
    told = dict(zip(names.split(", "), row, strict=True))
    told["lead_rule_id"] = told.pop("rule_id")
    held = told.pop("identity_id")
    if held is not None:
        told |= {"subject_kind": "identity", "subject_id": held}
    count = con.execute("select count(*) from findings where case_id = ?", [case_id]).fetchone()
    assert count is not None
    insert(
        con,
        "cases",
        {
            **told,
            "case_id": case_id,
            "lead_finding_id": lead,
            "findings": count[0],
            "status": "open",
            "is_new": True,
            "first_seen": AS_OF,
            **more,
        },
    )


def rules(con: duckdb.DuckDBPyConnection) -> None:
    rule(con, "off-contract-ended-access", "critical", "NHI1:2025")
    rule(con, "priv-admin-equivalent", "critical", "NHI5:2025")
    rule(con, "life-key-age-exceeded", "medium", "NHI7:2025")
    rule(con, "reuse-role-multi-partner-trust", "high", "NHI9:2025")
    rule(con, "gov-business-owner-missing", "low", "NHI1:2025", subject="partner")
    result(con, "off-contract-ended-access", evaluated=5, failed=1, passed=4)
    result(con, "priv-admin-equivalent", evaluated=5, failed=1, passed=3, unknown=1)
    result(con, "life-key-age-exceeded", evaluated=5, passed=5)
    result(con, "reuse-role-multi-partner-trust", evaluated=2, unknown=2)
    result(con, "gov-business-owner-missing", provider="all", evaluated=4, not_assessed="0 of 4 declared")


def small(*, complete: bool = True, baseline: bool = True) -> duckdb.DuckDBPyConnection:
    """Kontor (ended), Borealis, and Zephyr who shares a role with Borealis; nothing hostile."""
    con = store.empty()
    scan(con, complete=complete, baseline=baseline)
    insert(con, "tenants", {"tenant_id": AWS, "provider": "aws", "name": "acme-prod"})
    insert(con, "tenants", {"tenant_id": DEV, "provider": "aws", "name": "acme-dev"})
    insert(con, "tenants", {"tenant_id": "register:main", "provider": "register", "name": "main"})
    for tenant_id in (AWS, DEV):
        for dataset in ("identities", "credentials", "credentials.last_used", "policies", "trusts"):
            cover(con, tenant_id, dataset)
        cover(con, tenant_id, "scps", "unsupported", reason="this version does not read them")
    if not complete:
        con.execute(
            "update coverage set status = 'failed', reason = 'the provider answered 500'"
            " where tenant_id = ? and dataset = 'trusts'",
            [DEV],
        )
        cover(con, AWS, "identities.mfa", "denied", reason="refused", missing_permission="iam:ListMFADevices")
    cover(con, "register:main", "register.partners")
    cover(con, "register:main", "register.contracts", "partial", reason="2 rows quarantined")
    insert(
        con,
        "register_files",
        {"file": "partners.csv", "holds": "partners", "rows": 200, "accepted": 183, "exported_at": AS_OF},
    )
    insert(
        con,
        "quarantine",
        {
            "file": "partners.csv",
            "line": 17,
            "field": "risk_tier",
            "value": "sehr hoch",
            "problem": "not a known value",
            "allowed": "low, medium, high, critical",
            "row_dropped": False,
        },
    )
    rules(con)
    partner(con, "P-100", "Kontor", ended=True)
    partner(con, "P-200", "Borealis")
    partner(con, "P-300", "Zephyr")
    partner(con, "P-400", "Quietwater")
    kontor = identity(
        con,
        1,
        "kontor-sync",
        partner_id="P-100",
        partner_name="Kontor",
        ended=True,
        key_age=820,
        owner="lea@acme.example",
    )
    boreal = identity(
        con, 2, "borealis-deploy", partner_id="P-200", partner_name="Borealis", is_admin=True, owner="tom@acme.example"
    )
    shared = identity(
        con,
        3,
        "shared-import",
        partner_id="P-300",
        partner_name="Zephyr",
        kind="workload_role",
        key_age=None,
        owner="lea@acme.example",
    )
    claim(con, 3, "P-200", evidence="alias aws_account 888800001111")
    claim(con, 3, "P-100", verdict="lost", confidence=0.2, evidence="name looks like Kontor")
    identity(con, 4, "zephyr-report", partner_id="P-300", partner_name="Zephyr", tenant_id=DEV, owner=None)
    identity(con, 5, "nobody-knows", is_admin=None)
    insert(con, "aliases", {"partner_id": "P-300", "kind": "aws_account", "value": "999900002222"})
    insert(con, "aliases", {"partner_id": "P-200", "kind": "aws_account", "value": "888800001111"})
    trust = {
        "identity_key": 3,
        "tenant_id": AWS,
        "mechanism": "assume_role",
        "principal_kind": "account",
        "external_id_check": "none",
        "audience_check": "none",
        "subject_check": "none",
        "has_other_conditions": False,
    }
    for number, account in enumerate(("888800001111", "999900002222")):
        insert(
            con,
            "trusts",
            {
                **trust,
                "trust_key": number,
                "trust_id": f"t{number}",
                "principal": f"arn:aws:iam::{account}:root",
                "account": account,
            },
        )
    insert(
        con,
        "policies",
        {
            "policy_key": 1,
            "policy_id": "p1",
            "provider": "aws",
            "tenant_id": AWS,
            "kind": "managed",
            "name": "AdministratorAccess",
            "document": "{}",
        },
    )
    insert(
        con,
        "privileges",
        {
            "identity_key": 2,
            "verb": "admin",
            "scope": "all",
            "certainty": "definite",
            "level": 5,
            "policy_key": 1,
            "statement": "Allow * on *",
            "considered": "SCPs not read",
        },
    )
    insert(
        con,
        "partner_tenants",
        {
            "partner_id": "P-100",
            "tenant_id": AWS,
            "is_ended": True,
            "ended_at": datetime(2025, 11, 1),
            "contract_id": "C-P-100",
            "has_contract": False,
            "is_renewal_unconfirmed": False,
            "reason": "C-P-100 ended 2025-10-31",
            "register_row": "contracts.csv:P-100",
        },
    )
    finding(
        con,
        "f1",
        "off-contract-ended-access",
        kontor,
        case_id="k1",
        partner_id="P-100",
        owner_mail="lea@acme.example",
        score=89,
    )
    finding(
        con,
        "f2",
        "life-key-age-exceeded",
        kontor,
        case_id="k1",
        partner_id="P-100",
        severity="medium",
        score=50,
        message="access key is 820 days old",
        subject_kind="credential",
        subject_id=f"{AWS}:access_key/AKIAEXAMPLE000000001",
    )
    case(con, "k1", "f1", score=91.9)
    finding(
        con,
        "f3",
        "priv-admin-equivalent",
        boreal,
        case_id="b1",
        partner_id="P-200",
        owner_mail="tom@acme.example",
        score=78,
        message="is an administrator",
    )
    case(con, "b1", "f3")
    finding(
        con,
        "f4",
        "reuse-role-multi-partner-trust",
        shared,
        case_id="s1",
        partner_id="P-300",
        severity="high",
        score=66,
        message="is trusted by Borealis and Zephyr",
        evidence=(
            ("trusted accounts", "888800001111 (Borealis), 999900002222 (Zephyr)"),
            ("external id", "none is asked for"),
        ),
    )
    case(con, "s1", "f4")
    finding(
        con,
        "u1",
        "priv-admin-equivalent",
        f"{AWS}:user/nobody-knows",
        case_id=None,
        message="depends on a condition",
        uncovered="scps",
    )
    finding(
        con,
        "u2",
        "life-key-age-exceeded",
        f"{DEV}:user/zephyr-report",
        case_id=None,
        partner_id="P-300",
        message="creation is not known",
    )
    return con


def lifecycle(con: duckdb.DuckDBPyConnection, partner_id: str, word: str) -> None:
    """A stage, dates, an offboarding and an acceptance of one partner; `word` is in all that people wrote."""
    con.execute("update partner_facts set stage = 'offboarding' where partner_id = ?", [partner_id])
    owner = {"mail": f"{word}@acme.example", "person_status": "active"}
    insert(con, "stage_owners", {"partner_id": partner_id, "stage": "offboarding", **owner})
    event = {"type": f"terminated {word}", "due": date(2026, 1, 7), "ticket": f"SEC-{word}"}
    insert(con, "contract_events", {"contract_id": f"C-{partner_id}", **event})
    statement = {"attestation_id": f"AT-{word}", "kind": f"access {word}", "valid_to": date(2026, 3, 1)}
    insert(con, "attestations", {"partner_id": partner_id, **statement})
    insert(con, "reviews", {"partner_id": partner_id, "scope": f"logs {word}", "opened_at": datetime(2026, 1, 2)})
    review = {"scope": "access", "completed_at": datetime(2025, 12, 24), "review_days": 90}
    insert(con, "review_facts", {"partner_id": partner_id, **review})
    opened = {"opened_at": datetime(2025, 11, 2, 8), "began_at": datetime(2025, 11, 2, 8), "hours": 2178}
    told = {"due_at": datetime(2025, 11, 3, 8), "due_by": "contract", "steps": 3, "steps_done": 2}
    insert(
        con,
        "offboarding_facts",
        {"offboarding_id": f"O-{word}", "partner_id": partner_id, "register_row": f"{word}.csv:2", **opened, **told},
    )
    for step, is_gone in enumerate((True, False, None)):
        target = {"action": "revoke_access", "target_id": word, "seen": word}
        told = {"offboarding_id": f"O-{word}", "partner_id": partner_id, "step": step, "is_gone": is_gone}
        insert(con, "step_facts", {**told, **target})
    accepted = {
        "acceptance_id": f"E-{word}",
        "subject_id": word,
        "approved_by": word,
        "rule_id": "life-key-age-exceeded",
    }
    insert(con, "acceptances", {"partner_id": partner_id, "expires_at": date(2026, 2, 10), **accepted})


def hostile() -> duckdb.DuckDBPyConnection:
    """The small scan, and every hostile text as a name, a message and a piece of evidence."""
    con = small(complete=False)
    for number, text in enumerate(HOSTILE):
        partner(con, f"H-{number}", text, business_owner=text)
        held = identity(con, 100 + number, text, partner_id=f"H-{number}", partner_name=text, owner=text)
        finding(
            con,
            f"hf{number}",
            "priv-admin-equivalent",
            held,
            case_id=f"hk{number}",
            partner_id=f"H-{number}",
            message=text,
            evidence=((text, text),),
            subject_name=text,
            owner_mail=text,
        )
        case(con, f"hk{number}", f"hf{number}")
        lifecycle(con, f"H-{number}", text)
        finding(
            con,
            f"hu{number}",
            "life-key-age-exceeded",
            held,
            case_id=None,
            message=text,
            subject_name=text,
            uncovered=text,
        )
        cover(con, f"aws:{text}", "identities", "failed", reason=text, missing_permission=text, call=text)
        insert(
            con,
            "quarantine",
            {
                "file": text,
                "line": number,
                "field": text,
                "value": text,
                "problem": text,
                "allowed": text,
                "row_dropped": True,
            },
        )
    return con


def large(cases: int) -> duckdb.DuckDBPyConnection:
    """`cases` cases of one partner each, made by the database itself."""
    con = small()
    con.execute(
        """
        insert into identities (identity_key, identity_id, provider, tenant_id, kind, name, native_id, status)
        select 1000 + n, 'aws:111111111111:user/bulk-' || n, 'aws', 'aws:111111111111', 'service_account', 'bulk-' || n,
            'arn:aws:iam::111111111111:user/bulk-' || n, 'enabled'
        from range($n) r(n);
        insert into identity_facts by name
        select identity_key, identity_id, provider, tenant_id, kind, name, native_id, true as has_access,
            true as is_partner_related, 'P-200' as partner_id, 'Borealis' as partner_name, 0 as live_credentials,
            0 as active_owners, 1 as partner_count
        from identities where identity_key >= 1000;
        insert into identity_partners by name
        select identity_key, 'P-200' as partner_id, 'operator' as role, 'tag' as source, 'tag' as evidence,
            0.8 as confidence, 'asserted' as verdict
        from identities where identity_key >= 1000;
        insert into findings by name
        select 'bf' || identity_key as finding_id, 'life-key-age-exceeded' as rule_id, 'identity' as subject_kind,
            identity_id as subject_id, name as subject_name, provider, tenant_id, identity_id, 'P-200' as partner_id,
            'fail' as outcome, 'open' as status, 'medium' as severity, 0.9 as confidence, 50 as score, 40 as score_low,
            60 as score_high, 'medium' as band, 'is old' as message, 'bk' || identity_key as case_id
        from identities where identity_key >= 1000;
        insert into cases by name
        select case_id, subject_kind, subject_id, subject_name, provider, tenant_id, partner_id,
            finding_id as lead_finding_id, rule_id as lead_rule_id, message, severity, score, score_low, band,
            1 as findings, status, true as is_new
        from findings where finding_id like 'bf%'
        """.replace("$n", str(cases))
    )
    return con
