"""Who answers for an identity: a person's decision, the register, a tag, the owner of its partner or account."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import decisions, names

# What a tag's name says about the role; other: it does not say.
_ROLES: Final = {
    "owner": "other",
    "owneremail": "other",
    "ownermail": "other",
    "ownedby": "other",
    "owners": "other",
    "contact": "other",
    "contactemail": "other",
    "responsible": "other",
    "maintainer": "technical",
    "technicalowner": "technical",
    "technicalcontact": "technical",
    "businessowner": "business",
    "businesscontact": "business",
    "securityowner": "security",
    "securitycontact": "security",
    "createdby": "creator",
    "creator": "creator",
}


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills identity_owners; reads identity_partners. Groups are left out."""
    read_people(con)
    con.execute(statements.sql("nhiscan.resolve", "owners"))


def read_people(con: duckdb.DuckDBPyConnection) -> None:
    """Fills two temporary tables: `decisions`, and `owner_answers`: whom each text that names an owner means today."""
    decisions.match(con)
    con.execute(statements.sql("nhiscan.resolve", "people"))
    found = con.execute("select name from tags union select name from resource_tags order by name").fetchall()
    labelled = [(name, _ROLES[names.label(name)]) for (name,) in found if names.label(name) in _ROLES]
    con.execute(
        """
        create or replace temp table owner_tags as
        select unnest($name::varchar[]) as name, unnest($role::varchar[]) as role
        """,
        {"name": [name for name, _ in labelled], "role": [role for _, role in labelled]},
    )
    _addresses(con)
    con.execute(statements.sql("nhiscan.resolve", "owner_answers"))


def _addresses(con: duckdb.DuckDBPyConnection) -> None:
    """Fills owner_addresses: the address that each text naming an owner means; a name counts when only one has it."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for name, mail in con.execute("select distinct name, mail from persons where name <> ''").fetchall():
        for key in names.keys(name).full:
            by_name[key].add(mail)
    con.execute(statements.sql("nhiscan.resolve", "owner_texts"))
    texts = [text for (text,) in con.execute("select text from owner_texts where address is null").fetchall()]
    named = []
    for text in texts:
        mails = {mail for key in names.keys(text).full for mail in by_name.get(key, ())}
        if len(mails) == 1:
            named.append((text, mails.pop()))
    con.execute(
        """
        create or replace temp table owner_addresses as
        select text, address, false as is_by_name
        from owner_texts
        where address is not null
        union all
        select unnest($text::varchar[]), unnest($address::varchar[]), true
        """,
        {"text": [text for text, _ in named], "address": [mail for _, mail in named]},
    )
