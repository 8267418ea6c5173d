"""Companies that the org holds as partners. With `is_register` they are the register of partners as well.

API: Account (IsPartner). What sharing hides from the scanner shows where a partner's user belongs to an account that
was not listed.
"""

from __future__ import annotations

from collections.abc import Iterator

from nhiscan.model import Alias, Coverage, Partner, PartnerAccount, Record

from .api import Refusal
from .coverage import ACCOUNTS
from .org import Org
from .words import domain, id18


def records(org: Org) -> Iterator[Record]:
    columns = ("Id", "Name", "Website", "OwnerId", "ParentId")
    seen: set[str] = set()
    where = "WHERE IsPartner = true"
    for row in org.rows("Account", columns, "partner_accounts", where=where, needs=ACCOUNTS):
        native_id, name = id18(str(row["Id"])), str(row["Name"])
        parent = id18(str(row["ParentId"])) if row.get("ParentId") else None
        account = PartnerAccount(
            provider="salesforce",
            tenant_id=org.tenant_id,
            account_id=native_id,
            name=name,
            domain=domain(row.get("Website")),
            owner_mail=org.mails.get(id18(str(row.get("OwnerId") or ""))),
            parent_account_id=parent,
            is_active=True,
        )
        seen.add(native_id)
        yield account
        if org.is_register:
            yield from _registered(org, account)
    hidden = org.accounts - seen
    if hidden and org.tally.answered["partner_accounts"] and not org.ctx.is_sample:
        reason = f"users of {len(hidden)} partner accounts are read and the accounts are not"
        org.tally.refuse(Refusal("partial", "query Account", reason, ACCOUNTS), "partner_accounts")
    if org.is_register:
        yield from _covered(org)


def _covered(org: Org) -> Iterator[Coverage]:
    """The two tables of the register that accounts fill, as far as all accounts were listed."""
    is_whole = not org.tally.refused["partner_accounts"]
    for dataset in ("register.partners", "register.aliases"):
        yield Coverage(
            provider="salesforce",
            tenant_id=org.tenant_id,
            dataset=dataset,
            status="complete" if is_whole else "truncated",
            reason=None if is_whole else "not all partner accounts were listed",
            collected_at=org.as_of,
        )


def _registered(org: Org, account: PartnerAccount) -> Iterator[Record]:
    """The account as a partner of the register, with the names by which its identities show."""
    partner_id = org.id("account", account.account_id)
    yield Partner(
        partner_id=partner_id,
        name=account.name,
        business_owner=account.owner_mail,
        source_system="salesforce",
        source_id=account.account_id,
    )
    yield Alias(partner_id=partner_id, kind="salesforce_account", value=account.account_id)
    if account.domain is not None:
        yield Alias(partner_id=partner_id, kind="mail_domain", value=account.domain)
