"""Whether policies bind what an AWS identity holds to named networks.

AWS binds no key by itself: only conditions on aws:SourceIp, aws:VpcSourceIp, aws:SourceVpc and aws:SourceVpce do. A
policy binds when it denies everything that comes from elsewhere, or when all that it allows asks for a network.
Everything else that speaks of networks is left undecided.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import duckdb

from nhiscan import statements

_ADDRESS_KEYS: Final = frozenset({"aws:sourceip", "aws:vpcsourceip"})
_NETWORK_KEYS: Final = frozenset({"aws:sourcevpc", "aws:sourcevpce"})
_VIA_SERVICE: Final = "aws:viaawsservice"  # what AWS itself does with the identity's rights, from its own networks
_WIDEST: Final = {4: 8, 6: 16}  # prefix length; wider ones hold much of the internet


def read(con: duckdb.DuckDBPyConnection) -> None:
    """Makes the temporary table `network_bounds`: one row an AWS identity of whose policies one speaks of networks.

    `is_bound` is null where that could not be decided.
    """
    found = con.execute(
        """
        select policy_key, document
        from policies
        where provider = 'aws'
            and (document ilike '%:SourceIp%' or document ilike '%:VpcSourceIp%' or document ilike '%:SourceVpc%')
        order by policy_key
        """
    ).fetchall()
    known: dict[str, str] = {}
    for _, document in found:
        if document not in known:
            known[document] = bond(document)
    con.execute(
        "create or replace temp table network_policies as "
        "select unnest($policy_key::bigint[]) as policy_key, unnest($bond::varchar[]) as bond",
        {"policy_key": [key for key, _ in found], "bond": [known[document] for _, document in found]},
    )
    con.execute(statements.sql("nhiscan.resolve", "networks"))


def bond(document: str) -> str:
    """`denies`: nothing works from elsewhere; `allows`: nothing that it allows does; `mentions`: neither is sure."""
    try:
        statements = _statements(document)
        if any(_denies_elsewhere(statement) for statement in statements):
            return "denies"
        allowing = [statement for statement in statements if statement.get("effect") == "Allow"]
        if allowing and all(_allows_from_networks(statement) for statement in allowing):
            return "allows"
    except (ValueError, RecursionError):
        pass  # not a policy document: whatever it is, it was not weighed
    return "mentions"


def _statements(document: str) -> list[dict[str, Any]]:
    """Raises: ValueError."""
    written = _folded(json.loads(document)).get("statement", [])
    return [_folded(item) for item in (written if isinstance(written, list) else [written])]


def _folded(item: Any) -> dict[str, Any]:
    """Raises: ValueError."""
    if not isinstance(item, Mapping):
        raise ValueError("not an object")
    return {str(key).lower(): value for key, value in item.items()}


def _denies_elsewhere(statement: Mapping[str, Any]) -> bool:
    if statement.get("effect") != "Deny" or not {"action", "resource"} <= statement.keys():
        return False
    if "*" not in _texts(statement["action"]) or "*" not in _texts(statement["resource"]):
        return False
    asked = list(_asked(statement))
    # All conditions of a Deny have to hold, so any other one lets something through.
    return any(key != _VIA_SERVICE for _, key, _ in asked) and all(
        (operator.removesuffix("ifexists"), key, values) == ("bool", _VIA_SERVICE, ["false"])
        or _names_networks(operator.removesuffix("ifexists"), key, values, negated=True)
        for operator, key, values in asked
    )


def _allows_from_networks(statement: Mapping[str, Any]) -> bool:
    # Without the key in the request, `…IfExists` holds; that is how requests from elsewhere would look.
    return any(_names_networks(operator, key, values, negated=False) for operator, key, values in _asked(statement))


def _asked(statement: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """The conditions: operator, key, values."""
    for operator, keys in _folded(statement.get("condition") or {}).items():
        for key, values in _folded(keys).items():
            yield operator, key, _texts(values)


def _texts(value: Any) -> list[str]:
    if isinstance(value, bool):
        return [str(value).lower()]
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _names_networks(operator: str, key: str, values: Iterable[str], *, negated: bool) -> bool:
    if key in _ADDRESS_KEYS:
        return operator == ("notipaddress" if negated else "ipaddress") and all(map(_is_narrow, values))
    if key in _NETWORK_KEYS:
        wanted = ("stringnotequals", "stringnotlike") if negated else ("stringequals", "stringlike")
        return operator.removesuffix("ignorecase") in wanted and not any("*" in value for value in values)
    return False


def _is_narrow(text: str) -> bool:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return network.prefixlen >= _WIDEST[network.version]
