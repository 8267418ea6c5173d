"""What a person does by hand about a finding: the rule's own runbook, or what is known of that kind of thing.

There is always an answer, with commands or a page. Nothing here runs anything. Names come from outside: they are filled
in after a command is split into words, and a name that could be taken for an option, a file or another address is not.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import duckdb

from nhiscan import printable, statements
from nhiscan.lifecycle import commands
from nhiscan.lifecycle.commands import Guide
from nhiscan.remediate import contract
from nhiscan.rule import OF_TARGET, Rule, Runbook
from nhiscan.show import Section

_ACTIONS: Final[Mapping[str, commands.Action]] = {"rotate": "rotate_shared_secret", "revoke": "revoke_access"}
_PAGES: Final = {
    "aws": "AWS Management Console",
    "vault": "the user interface of Vault",
    "salesforce": "Setup",
    "hubspot": "Settings",
}
# Identities of AWS that no call of IAM changes, by how their names begin, and where they are changed.
_OUT_OF_REACH: Final = {
    "AWSReservedSSO_": "IAM Identity Center > AWS accounts and Permission sets",
    "AWSServiceRoleFor": "the service that the role belongs to",
    "<root_account>": "sign in as the root user > Security credentials",
}
_FORMATTER: Final = string.Formatter()
_OTHERS: Final = re.compile("[-@]|file(b)?://")  # how options and names of files begin, for one tool or the other
# What a value must be where the word around it is an address, a query or pairs: a quote, a space or a slash of its own
# would say something else there than a name.
_INNER: Final = re.compile("https://|[\\s'\"]")
_PLAIN: Final = re.compile(r"[\w+-][\w.@+-]*", re.ASCII)
_COLUMNS_END: Final = 1000  # of finding_evidence: before this come the columns of the rule's query


@dataclass(frozen=True, slots=True)
class Finding:
    """`values`: what commands may name of it, by name; `target`: its subject, whatever that is."""

    finding_id: str
    rule_id: str
    values: Mapping[str, str]
    target: commands.Target


def findings(con: duckdb.DuckDBPyConnection, finding_ids: Iterable[str]) -> list[Finding]:
    """The findings of a scan with these ids, by id; what is not there is left out."""
    ids = sorted(set(finding_ids))
    rows = statements.rows(con, statements.sql("nhiscan.remediate", "runbook"), {"ids": ids})
    asked = [(row["known_as"], row["subject_id"]) for row in rows if row["known_as"]]
    known = commands.targets(con, asked)
    shown: dict[str, dict[str, str]] = {}
    for finding_id, label, value in con.execute(
        "select finding_id, label, value from finding_evidence "
        "where seq < $end and finding_id in (select unnest($ids)) order by finding_id, seq",
        {"ids": ids, "end": _COLUMNS_END},
    ).fetchall():
        shown.setdefault(finding_id, {}).setdefault(label.replace(" ", "_"), value)
    return [
        Finding(
            row["finding_id"],
            row["rule_id"],
            {**shown.get(row["finding_id"], {}), **{name: value for name, value in list(row.items())[:8] if value}},
            known.get((row["known_as"], row["subject_id"])) or _told(row),
        )
        for row in rows
    ]


def _told(row: Mapping[str, Any]) -> commands.Target:
    told: dict[str, Any] = {name: row[name] or "" for name in OF_TARGET & row.keys()}
    return commands.Target(**told)


def guide(rule: Rule, finding: Finding, target: commands.Target | contract.Target) -> Guide:
    """How a person mends `finding`, of which `target` is the subject or what of it is to be acted on.

    The most specific runbook for its provider and kind; without one for the provider, what is known of such a thing
    where the rule says that it is to be switched off or replaced; else the runbook for any provider.
    """
    values = {**finding.values, **_values(target)}
    fitting = [runbook for runbook in rule.runbook if _fits(runbook, target)]
    fitting.sort(key=lambda runbook: (runbook.provider is None, not runbook.kinds))
    runbook = fitting[0] if fitting else None
    if (runbook is None or runbook.provider is None) and rule.action is not None:
        known = commands.guide(_known(target), _ACTIONS[rule.action])
        if known.commands or known.page:
            return known if runbook is None else replace(known, says=f"{runbook.says}; that is: {known.says}")
    if runbook is None:
        return Guide(rule.fix, (), _page(target.provider))
    page = _out_of_reach(target)
    if page is not None:
        return Guide(runbook.says, (), page)
    lines = [_line(words, values) for words in runbook.commands]
    shown = tuple(line for line in lines if line is not None)
    if len(shown) < len(lines):
        # Half of a sequence is worse than none, and nobody should run what cannot be read.
        told = f"{runbook.says}; no commands are given: a name is not known, or nothing that a command may hold"
        return Guide(told, (), runbook.page or _page(target.provider))
    return Guide(runbook.says, shown, runbook.page)


def _fits(runbook: Runbook, target: commands.Target | contract.Target) -> bool:
    return runbook.provider in (None, target.provider) and (not runbook.kinds or target.kind in runbook.kinds)


def _page(provider: str) -> str:
    return _PAGES.get(provider, f"the administration of {provider}" if provider else "nhiscan.toml and the register")


def _out_of_reach(target: commands.Target | contract.Target) -> str | None:
    names = (target.name, target.holder_name) if target.provider == "aws" else ()
    found = (page for begin, page in _OUT_OF_REACH.items() if any(name.startswith(begin) for name in names))
    return next(found, None)


def _values(target: commands.Target | contract.Target) -> dict[str, str]:
    return {name: value for name in sorted(OF_TARGET) if (value := str(getattr(target, name)))}


def _known(target: commands.Target | contract.Target) -> commands.Target:
    if isinstance(target, commands.Target):
        return target
    told: dict[str, Any] = {name: getattr(target, name) for name in OF_TARGET}
    return commands.Target(**told)


def _line(words: Sequence[str], values: Mapping[str, str]) -> str | None:
    """The words as one line for a shell; None where a value is missing or must not stand there."""
    filled = []
    for word in words:
        parts = list(_FORMATTER.parse(word))
        is_inner = any(_INNER.search(before) for before, _, _, _ in parts)
        asked = {name: values.get(name, "") for _, name, _, _ in parts if name is not None}
        for value in asked.values():
            if not value or _OTHERS.match(value) or (is_inner and not _PLAIN.fullmatch(value)):
                return None
        filled.append("".join(before + (asked[name] if name is not None else "") for before, name, _, _ in parts))
    return printable.command(*filled)


def guides(con: duckdb.DuckDBPyConnection, rules: Iterable[Rule], finding_ids: Iterable[str]) -> dict[str, Guide]:
    """What to do by hand about each finding, by its id; one whose rule is not among `rules` is left out."""
    known = {rule.rule_id: rule for rule in rules}
    return {
        finding.finding_id: guide(known[finding.rule_id], finding, finding.target)
        for finding in findings(con, finding_ids)
        if finding.rule_id in known
    }


def lines(
    con: duckdb.DuckDBPyConnection, rules: Iterable[Rule], finding_ids: Iterable[str]
) -> dict[str, list[tuple[str, str]]]:
    """By finding, (what, how) in order: `do` a sentence, `run` a command, `page` where to click."""
    told = {}
    for finding_id, way in guides(con, rules, finding_ids).items():
        pages = [] if way.page is None else [("page", way.page)]
        told[finding_id] = [("do", way.says), *(("run", line) for line in way.commands), *pages]
    return told


def section(con: duckdb.DuckDBPyConnection, rules: Iterable[Rule], told: Sequence[Section]) -> Section:
    """What to do by hand about the finding, or about each finding of the case, that `told` shows, as `lines` says."""
    shown = next(section for section in told if section.title in ("findings", "finding"))
    at, rule_at = shown.columns.index("finding_id"), shown.columns.index("rule_id")
    ways = lines(con, rules, (row[at] for row in shown.rows))
    rows = [(row[at], row[rule_at], *line) for row in shown.rows for line in ways.get(row[at], ())]
    return Section("by hand", ("finding_id", "rule_id", "what", "how"), rows)
