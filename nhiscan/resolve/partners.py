"""Attribution: which partner stands behind an identity, by which evidence, and who lost.

Evidence in falling strength: a person's decision (identity_map), an alias valid at as_of, a tag that names
the partner, a person of the partner, a mail domain of the partner, likeness of names. Each becomes a claim
about one fact; partners.sql weighs the claims. Likeness only ever suggests.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import decisions, names

_PARTNER_TAGS: Final = frozenset(
    {
        "company",
        "companyname",
        "externalcompany",
        "externalparty",
        "externalpartner",
        "ownercompany",
        "owningcompany",
        "partner",
        "partnerid",
        "partnername",
        "supplier",
        "supplierid",
        "suppliername",
        "thirdparty",
        "vendor",
        "vendorid",
        "vendorname",
    }
)
_ADDRESS_TAGS: Final = frozenset({"contact", "contactemail", "email", "mail", "owner", "owneremail", "ownermail"})

# A company called by one of these words would be suggested for half of every estate.
_ORDINARY_TEXT: Final = (
    "access account admin agent alert analytics application archive audit automation backend backup batch "
    "build bucket business client cloud cluster connect connector console container customer data database "
    "default demo deploy deployment develop development digital engine event events export external file "
    "files frontend function gateway global group handler host import infra infrastructure integration "
    "internal invoice jenkins job lambda legacy lifecycle link logging login logs mail main manager master "
    "metrics migration mobile monitor monitoring network node notification office online operations orders "
    "partner partners payment pipeline platform policy portal process prod production project proxy public "
    "queue read readonly release remote report reporting reports role runner sales scan scanner scheduler "
    "script search secure security server service services shared solution solutions staging standard storage "
    "stream support sync system systems task team technology temp terraform test testing ticket token tools "
    "transfer update upload user users vault vendor web webhook worker workflow write"
)
_ORDINARY_WORDS: Final = frozenset(_ORDINARY_TEXT.split())
_SHORTEST_LIKENESS: Final = 4
_TEXTUAL_ALIASES: Final = frozenset({"publisher"})  # names, whose legal suffix may be left out

# Ids of accounts begin with 001; the last three characters of the long form say which of the others are capitals.
# Source: Salesforce Help, "What are Salesforce ID's and how can I use them?" (15 and 18 characters).
_ACCOUNT: Final = re.compile(r"(?<![0-9A-Za-z])001[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?(?![0-9A-Za-z])")
_SOURCES: Final = {"salesforce": "salesforce_account", "hubspot": "hubspot_company"}  # kinds of alias
_CAPITALS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills identity_partners; groups are left out, their members hold the access.

    Whoever is in a group or entity that bears a partner's name is suggested for it; entities stay in `grouped`.
    """
    decisions.match(con)
    con.execute(statements.sql("nhiscan.resolve", "shared_domains"))
    partners = read_register(con)
    _fill(con, "address_tags", ("name",), ((name,) for name in _tag_names(con, _ADDRESS_TAGS)))
    _fill(con, "likeness_keys", ("key", "prefix", "partner_id", "name", "register_row"), _likeness(partners))
    for name in ("ours", "partner_claims", "partner_likeness", "partners"):
        con.execute(statements.sql("nhiscan.resolve", name))


def read_register(con: duckdb.DuckDBPyConnection, *, is_every: bool = False) -> list[tuple[Any, ...]]:
    """The partners (id, name, legal name, row), and how they are called in temporary tables.

    `alias_keys`: aliases in force at as_of, in every form in which our systems write them. `partner_tags`: names of
    tags that speak of a partner. `tag_values`: whom the values of these mean, on identities and resources.
    `is_every`: aliases that have ended, and those that others share, count as well.
    """
    partners: list[tuple[Any, ...]] = con.execute(
        "select distinct partner_id, name, legal_name, register_row from partners order by all"
    ).fetchall()
    aliases = con.execute(
        """
        select a.partner_id, a.kind, a.value, a.our_tenant, a.exclusive is not false, a.register_row
        from aliases a
        cross join scans s
        where a.value <> ''
            and a.partner_id in (select partner_id from partners)
            and ($is_every or a.valid_from is null or a.valid_from <= s.as_of::date)
            and ($is_every or a.valid_to is null or a.valid_to >= s.as_of::date)
        order by all
        """,
        {"is_every": is_every},
    ).fetchall()
    # One row that calls a value shared is enough: nobody is named by it.
    shared = {
        (kind, key)
        for _, kind, value, _, exclusive, _ in aliases
        if not exclusive and not is_every
        for key in alias_forms(kind, value)
    }
    aliases += _accounts(con)
    aliases = [
        alias for alias in aliases if all((alias[1], key) not in shared for key in alias_forms(alias[1], alias[2]))
    ]
    _fill(
        con,
        "alias_keys",
        ("kind", "key", "partner_id", "our_tenant", "register_row"),
        (
            (kind, key, partner_id, our_tenant, row)
            for partner_id, kind, value, our_tenant, _, row in aliases
            for key in alias_forms(kind, value)
        ),
    )
    _match_tags(con, partners, aliases)
    _match_signs(con, aliases)
    return partners


def _fill(
    con: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    """A temporary table of texts, made in one statement."""
    values = list(zip(*rows, strict=True)) or [() for _ in columns]
    selected = ", ".join(f"unnest(${column}::varchar[]) as {column}" for column in columns)
    con.execute(
        f"create or replace temp table {table} as select distinct {selected}",
        dict(zip(columns, map(list, values), strict=True)),
    )


def alias_forms(kind: str, value: str) -> set[str]:
    """How an alias appears in our systems; spreadsheets eat leading zeros, people paste whole addresses."""
    text = value.strip()
    folded = text.casefold()
    if kind == "aws_account":
        digits = "".join(char for char in text if char.isdecimal())
        return {digits.zfill(12)} if digits else set()
    if kind == "mail_domain":
        domain = folded.rpartition("@")[2].removeprefix("www.").rstrip(".")
        return {domain, _ascii(domain)}
    if kind == "mail":
        return {folded.removeprefix("mailto:")}
    if kind == "github_org":
        return {folded.rstrip("/").rpartition("/")[2].removeprefix("@")}
    if kind == "vault_path":
        return {text.strip("/")}
    if kind == "entra_tenant":
        return {folded}
    if kind == "salesforce_account":
        return _account_forms(text)
    if kind == "hubspot_company":
        return {text.rstrip("/").rpartition("/")[2]}
    return {text}


def _account_forms(text: str) -> set[str]:
    """An id of 15 characters and the same with its three of check, which allow for case that was lost."""
    found = _ACCOUNT.search(text)
    if found is None:
        return {text}
    short, check = found[0][:15], found[0][15:].upper()
    if check:
        bits = [_CAPITALS.find(char) for char in check]
        if min(bits) < 0:
            return {text}
        is_capital = [bits[place // 5] >> place % 5 & 1 for place in range(15)]
        short = "".join(
            char.upper() if capital else char.lower() for char, capital in zip(short, is_capital, strict=True)
        )
    return {short, short + _check(short)}


def _check(short: str) -> str:
    chunks = (short[start : start + 5] for start in range(0, 15, 5))
    return "".join(_CAPITALS[sum(1 << place for place, char in enumerate(chunk) if char.isupper())] for chunk in chunks)


def _accounts(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """As aliases: the records of a CRM that the register was exported from."""
    exported = con.execute(
        "select distinct partner_id, source_system, source_id, register_row from partners "
        "where source_system <> '' and source_id <> '' order by all"
    ).fetchall()
    return [
        (partner_id, _SOURCES[name], source_id, None, True, row)
        for partner_id, system, source_id, row in exported
        if (name := system.partition(":")[0].strip().casefold()) in _SOURCES
    ]


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:  # not a name that DNS could hold: it stays as written and matches only itself
        return domain


def _tag_names(con: duckdb.DuckDBPyConnection, labels: frozenset[str]) -> list[str]:
    found = con.execute("select name from tags union select name from resource_tags order by name").fetchall()
    return [name for (name,) in found if names.label(name) in labels]


def _match_tags(con: duckdb.DuckDBPyConnection, partners: list[Any], aliases: list[Any]) -> None:
    """Fills tag_names and tag_values: what each distinct value of a partner tag says.

    A value equal to a partner's whole name or id counts before one that is equal only without the legal
    suffix: "Nordwind GmbH" is not "Nordwind Inc" as long as somebody writes the difference.
    """
    whole: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    bare: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for partner_id, name, legal_name, row in partners:
        for text, what in ((partner_id, "id"), (name, "name"), (legal_name, "legal name")):
            _index(text, (partner_id, what, None, row), whole, None if what == "id" else bare)
    for partner_id, kind, value, our_tenant, _, row in aliases:
        entry = (partner_id, f"{kind} alias", our_tenant, row)
        _index(value, entry, whole, bare if kind in _TEXTUAL_ALIASES else None)
    tag_names = _tag_names(con, _PARTNER_TAGS)
    _fill(con, "partner_tags", ("name",), ((name,) for name in tag_names))
    values = con.execute(
        """
        select value from tags where name in (select name from partner_tags)
        union
        select value from resource_tags where name in (select name from partner_tags)
        order by value
        """
    ).fetchall()
    _fill(
        con,
        "tag_values",
        ("value", "partner_id", "what", "our_tenant", "register_row"),
        ((value, *entry) for (value,) in values for entry in sorted(_named(value, whole, bare), key=str)),
    )


def _match_signs(con: duckdb.DuckDBPyConnection, aliases: list[Any]) -> None:
    """Fills sign_values: whom each distinct sign of an identity names by an alias of its kind."""
    whole: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    bare: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    by_form: dict[tuple[str, str], set[tuple[Any, ...]]] = defaultdict(set)
    for partner_id, kind, value, our_tenant, _, row in aliases:
        if kind in _TEXTUAL_ALIASES:
            _index(value, (partner_id, our_tenant, row), whole, bare)
        else:
            for form in alias_forms(kind, value):
                by_form[kind, form].add((partner_id, our_tenant, row))
    found = con.execute("select distinct kind, value from signs order by all").fetchall()
    _fill(
        con,
        "sign_values",
        ("kind", "value", "partner_id", "our_tenant", "register_row"),
        (
            (kind, value, *entry)
            for kind, value in found
            for entry in sorted(
                _named(value, whole, bare)
                if kind in _TEXTUAL_ALIASES
                else {each for form in alias_forms(kind, value) for each in by_form.get((kind, form), ())},
                key=str,
            )
        ),
    )


def _index(
    text: str | None,
    entry: tuple[Any, ...],
    whole: dict[str, set[tuple[Any, ...]]],
    bare: dict[str, set[tuple[Any, ...]]] | None,
) -> None:
    keys = names.keys(text or "")
    for key in keys.full:
        whole[key].add(entry)
    if bare is not None:
        for key in keys.bare:
            bare[key].add(entry)


def _named(
    value: str, whole: dict[str, set[tuple[Any, ...]]], bare: dict[str, set[tuple[Any, ...]]]
) -> set[tuple[Any, ...]]:
    keys = names.keys(value)
    exact = {entry for key in keys.full for entry in whole.get(key, ())}
    return exact or {entry for key in keys.bare for entry in bare.get(key, ())}


def _likeness(partners: list[Any]) -> Iterable[tuple[str, str, str, str, str | None]]:
    """Every beginning of a key of four or more characters, so that the first word of a longer name is found too."""
    for partner_id, name, legal_name, row in partners:
        for text in (name, legal_name):
            for key in names.keys(text or "").bare:
                if len(key) >= _SHORTEST_LIKENESS and key not in _ORDINARY_WORDS:
                    for end in range(1, len(key) + 1):
                        yield key, key[:end], partner_id, text, row
