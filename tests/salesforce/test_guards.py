"""Whether something keeps a core field from being changed: said only where a rule's own text says so."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from tests.salesforce.conftest import Acme
from tests.salesforce.parts import deals, metadata, put, read

guards = importlib.import_module("nhiscan.collectors.salesforce.guards")


def guard_of(org: Acme, name: str = "Opportunity.Amount", **settings: Any) -> bool | None:
    found: bool | None = (
        read(org, **settings).one("data_objects", resource_id=f"{org.tenant_id}:crm_field/{name}").is_guarded
    )
    return found


def ruled(formula: str, *, is_active: bool = True, entity: str = "Opportunity") -> Acme:
    org = deals()
    org.world.add(
        "ValidationRule", ValidationName="Lock", EntityDefinitionId=entity, Active=is_active,
        Metadata={"active": is_active, "errorConditionFormula": formula},
    )  # fmt: skip
    return org


@pytest.mark.parametrize(
    ("formula", "is_guarded"),
    [
        ("AND(ISCHANGED(Amount), $Profile.Name <> 'Desk')", True),
        ("PRIORVALUE( amount ) <> Amount", True),
        ("Amount < 0", None),
        ("ISCHANGED(AmountPaid__c)", False),
        ("ISCHANGED(StageName) && Amount > 5", None),
        ('CONTAINS(Name, "ISCHANGED(Amount)")', False),
        ("/* ISCHANGED(Amount) */ false", False),
    ],
)
def test_a_formula_guards_a_field_only_when_it_watches_its_change(formula: str, is_guarded: bool | None) -> None:
    assert guards.guarded("Amount", [formula], is_open=False) is is_guarded


def test_an_active_rule_guards_the_field_that_it_watches() -> None:
    assert guard_of(ruled("ISCHANGED(Amount)")) is True


def test_a_rule_that_is_switched_off_guards_nothing() -> None:
    assert guard_of(ruled("ISCHANGED(Amount)", is_active=False)) is False


def test_a_rule_of_another_object_guards_nothing() -> None:
    assert guard_of(ruled("ISCHANGED(Amount)", entity="Account")) is False


def test_what_a_trigger_does_cannot_be_said() -> None:
    org = deals()
    org.world.add(
        "ApexTrigger", Name="Deals", EntityDefinitionId="Opportunity", Status="Active", UsageBeforeUpdate=True
    )
    assert guard_of(org) is None


def test_a_trigger_that_only_sees_new_records_leaves_the_field_open() -> None:
    org = deals()
    org.world.add(
        "ApexTrigger", Name="Deals", EntityDefinitionId="Opportunity", Status="Active", UsageBeforeInsert=True
    )
    assert guard_of(org) is False


def test_an_object_is_guarded_when_each_of_its_core_fields_is() -> None:
    org = ruled("OR(ISCHANGED(Amount), ISCHANGED(StageName))")
    found = read(org)
    assert found.one("data_objects", resource_id=f"{org.tenant_id}:crm_object/Opportunity").is_guarded is True


def test_an_object_is_open_when_one_of_its_core_fields_is() -> None:
    org = ruled("ISCHANGED(Amount)")
    found = read(org)
    assert found.one("data_objects", resource_id=f"{org.tenant_id}:crm_object/Opportunity").is_guarded is False


def test_rules_that_cannot_be_read_leave_the_field_open_to_doubt() -> None:
    org = deals()
    org.world.hidden.add("ValidationRule")
    found = read(org)
    row = found.one("data_objects", resource_id=f"{org.tenant_id}:crm_field/Opportunity.Amount")
    assert row.is_guarded is None
    assert found.coverage("objects.guards").status == "partial"


def test_formulas_of_a_folder_count_instead_of_one_request_each(tmp_path: Path) -> None:
    rule = (
        "<validationRules><fullName>Lock</fullName><active>true</active>"
        "<errorConditionFormula>ISCHANGED(Amount)</errorConditionFormula></validationRules>"
    )
    put(tmp_path, "objects/Opportunity.object", metadata("CustomObject", rule))
    org = deals()
    assert guard_of(org, metadata_folder=tmp_path) is True
    assert not [call for call in org.world.calls if call.soql and "FROM ValidationRule" in call.soql]


def test_a_source_project_has_one_file_a_rule(tmp_path: Path) -> None:
    text = metadata(
        "ValidationRule",
        "<active>true</active><errorConditionFormula>ISCHANGED(Amount)</errorConditionFormula>",
    )
    put(tmp_path, "objects/Opportunity/validationRules/Lock.validationRule-meta.xml", text)
    assert guard_of(deals(), metadata_folder=tmp_path) is True
