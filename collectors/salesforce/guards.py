"""Validation rules and triggers that keep core fields from being changed.

API: ValidationRule and ApexTrigger (Tooling). A rule guards a field when its formula looks at what the field was
before: ISCHANGED or PRIORVALUE. A formula that only names the field, and a trigger, may guard it; that cannot be said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from .metadata import Node, Retrieved
from .org import Org, quoted

_MOST_FORMULAS: Final = 200  # Salesforce gives the formula of one rule a request
_WATCHES: Final = r"\b(?:ISCHANGED|PRIORVALUE)\s*\(\s*{name}\s*\)"
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'|/\*.*?\*/", re.DOTALL)


def read(org: Org, fields: Collection[str]) -> Mapping[str, bool | None]:
    """Whether each field ("Opportunity.Amount") is guarded; None: it cannot be said."""
    entities = sorted({name.partition(".")[0] for name in fields})
    if not entities:
        org.tally.answer("objects.guards")
        return {}
    formulas, unread = _formulas(org, entities)
    triggered = _triggered(org, entities)
    return {
        name: guarded(
            name.partition(".")[2],
            formulas.get(name.partition(".")[0], ()),
            is_open=name.partition(".")[0] in unread or name.partition(".")[0] in triggered,
        )
        for name in fields
    }


def guarded(field: str, formulas: Iterable[str], *, is_open: bool) -> bool | None:
    """`is_open`: there are rules or triggers whose effect is not known."""
    names = re.compile(rf"\b{re.escape(field)}\b", re.IGNORECASE)
    watches = re.compile(_WATCHES.format(name=re.escape(field)), re.IGNORECASE)
    texts = [_TEXT.sub(" ", formula) for formula in formulas]
    if any(watches.search(text) for text in texts):
        return True
    return None if is_open or any(names.search(text) for text in texts) else False


def formulas_in(retrieved: Retrieved, entities: Collection[str]) -> dict[str, list[str]]:
    """Formulas of active rules by object, from a metadata folder, for each object that it describes."""
    found: dict[str, list[str]] = {}
    for file in retrieved.of("CustomObject"):
        if file.name in entities:
            rules = found.setdefault(file.name, [])
            rules += _active(file.root.parts("validationRules"))
    for file in retrieved.of("ValidationRule"):  # the form in which source projects keep them: one file a rule
        if file.parent in entities:
            found.setdefault(file.parent, []).extend(_active((file.root,)))
    return found


def _active(rules: Iterable[Node]) -> list[str]:
    return [formula for rule in rules if rule.flag("active") and (formula := rule.one("errorConditionFormula"))]


def _formulas(org: Org, entities: Collection[str]) -> tuple[dict[str, list[str]], frozenset[str]]:
    """Formulas of active rules by object, and the objects of which some could not be read."""
    found = formulas_in(org.retrieved, entities)
    asked = [name for name in entities if name not in found]
    if not asked:
        org.tally.answer("objects.guards")
        return found, frozenset()
    unread: set[str] = set()
    refused_before = org.tally.refused["objects.guards"]
    rules = list(
        org.rows(
            "ValidationRule",
            ("Id", "ValidationName", "EntityDefinition.QualifiedApiName"),
            "objects.guards",
            where=f"WHERE Active = true AND EntityDefinition.QualifiedApiName IN ({', '.join(map(quoted, asked))})",
            tooling=True,
        )
    )
    if org.tally.refused["objects.guards"] > refused_before:
        unread.update(asked)
    most = 1 if org.ctx.is_sample else _MOST_FORMULAS
    for n, rule in enumerate(rules):
        entity = rule["EntityDefinition"]["QualifiedApiName"]
        formula = _formula(org, rule["Id"]) if n < most else None
        if formula is None:
            unread.add(entity)
        else:
            found.setdefault(entity, []).append(formula)
    return found, frozenset(unread)


def _formula(org: Org, rule_id: str) -> str | None:
    where = f"WHERE Id = {quoted(rule_id)}"
    rows = list(org.rows("ValidationRule", ("Id", "Metadata"), "objects.guards", where=where, tooling=True))
    formula = (rows[0].get("Metadata") or {}).get("errorConditionFormula") if rows else None
    return None if formula is None else str(formula)


def _triggered(org: Org, entities: Collection[str]) -> frozenset[str]:
    """Objects that code looks at before they are changed; what it does there cannot be said."""
    columns = ("Id", "Name", "EntityDefinition.QualifiedApiName", "Status", "UsageBeforeUpdate", "UsageAfterUpdate")
    found = set()
    refused_before = org.tally.refused["objects.guards"]
    for row in org.rows("ApexTrigger", columns, "objects.guards", tooling=True):
        entity = (row.get("EntityDefinition") or {}).get("QualifiedApiName")
        if row.get("Status") == "Active" and (row["UsageBeforeUpdate"] or row["UsageAfterUpdate"]) and entity:
            found.add(entity)
    if org.tally.refused["objects.guards"] > refused_before:
        return frozenset(entities)
    return frozenset(found)
