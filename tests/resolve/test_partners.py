from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nhiscan.model import (
    Alias,
    Credential,
    Identity,
    IdentityMapping,
    Membership,
    Partner,
    PartnerAccount,
    Person,
    PersonMail,
    Record,
    Sign,
    TrustCondition,
)
from nhiscan.resolve import partners
from tests.resolve.register_estate import (
    NORDWIND,
    SUEDLICHT,
    B,
    account_alias,
    domain,
    oidc_trust,
    role,
    role_id,
    rows,
    scan,
    tag,
    trust,
)

_N = "333333333333"
_S = "444444444444"


def _attributed(*records: Record, **options: Any) -> list[tuple[Any, ...]]:
    """(name of the identity, partner, role, source, verdict)"""
    con = scan(NORDWIND, SUEDLICHT, *records, **options)
    partners.run(con)
    return rows(
        con,
        """
        select i.name, p.partner_id, p.role, p.source, p.verdict
        from identity_partners p
        join identities i using (identity_key)
        order by all
        """,
    )


def _subject(value: str, *, operator: str = "StringEquals") -> TrustCondition:
    return TrustCondition(f"{role_id('sync')}<-oidc", operator=operator, name="token.actions.example:sub", value=value)


# decisions of people


def test_a_decision_beats_a_trusted_account_of_another_partner() -> None:
    found = _attributed(
        role(),
        trust(_N),
        account_alias("P-1", _N),
        IdentityMapping("sync", partner_id="P-2", role="operator"),
    )
    assert found == [
        ("sync", "P-1", "operator", "alias", "lost"),
        ("sync", "P-2", "operator", "identity_map", "asserted"),
    ]


@pytest.mark.parametrize(
    "pattern", ["sync", "AROA-sync", "aws:111111111111:role/sync", "s?nc", "aws:*:role/sy*", "*ync"]
)
def test_a_decision_reaches_an_identity_by_id_native_id_or_name(pattern: str) -> None:
    found = _attributed(role(), role("other"), IdentityMapping(pattern, partner_id="P-1"))
    assert found == [("sync", "P-1", "operator", "identity_map", "asserted")]


def test_percent_and_underscore_in_a_pattern_mean_themselves() -> None:
    found = _attributed(role("a_c"), role("abc"), IdentityMapping("a_*", partner_id="P-1"), IdentityMapping("%", "P-2"))
    assert found == [("a_c", "P-1", "operator", "identity_map", "asserted")]


def test_a_decision_ends_with_its_last_day() -> None:
    lasting = IdentityMapping("kept", partner_id="P-1", until=date(2026, 1, 31))
    past = IdentityMapping("gone", partner_id="P-1", until=date(2026, 1, 30))
    assert [row[0] for row in _attributed(role("kept"), role("gone"), lasting, past)] == ["kept"]


def test_a_decision_about_one_identity_beats_a_pattern() -> None:
    found = _attributed(role(), IdentityMapping("s*", partner_id="P-1"), IdentityMapping("sync", partner_id="P-2"))
    assert found == [
        ("sync", "P-1", "operator", "identity_map", "lost"),
        ("sync", "P-2", "operator", "identity_map", "asserted"),
    ]


def test_two_decisions_for_different_partners_contradict_each_other() -> None:
    found = _attributed(role(), IdentityMapping("s*", partner_id="P-1"), IdentityMapping("*c", partner_id="P-2"))
    assert {row[4] for row in found} == {"conflict"}


def test_a_decision_for_a_partner_that_the_register_does_not_hold_attributes_nothing() -> None:
    assert _attributed(role(), IdentityMapping("sync", partner_id="P-9")) == []


def test_a_decision_settles_an_account_that_two_partners_claim() -> None:
    found = _attributed(
        role(),
        trust(_N),
        account_alias("P-1", _N),
        account_alias("P-2", _N),
        IdentityMapping("sync", partner_id="P-2"),
    )
    assert found == [
        ("sync", "P-1", "operator", "alias", "lost"),
        ("sync", "P-2", "operator", "identity_map", "asserted"),
    ]


# aliases


def test_the_holder_of_a_trusted_account_is_the_operator() -> None:
    found = _attributed(role(), trust(_N), account_alias("P-1", _N))
    assert found == [("sync", "P-1", "operator", "alias", "asserted")]


def test_an_account_number_survives_what_spreadsheets_do_to_it() -> None:
    found = _attributed(
        role("a"),
        role("b"),
        trust("012345678901", on="a"),
        trust(_S, on="b"),
        account_alias("P-1", "12345678901"),
        account_alias("P-2", " 4444-4444-4444 "),
    )
    assert [row[:2] for row in found] == [("a", "P-1"), ("b", "P-2")]


def test_our_own_account_never_stands_for_a_partner() -> None:
    assert _attributed(role(), trust(B), account_alias("P-1", B)) == []


def test_two_partners_behind_two_trusted_accounts_both_operate_the_role() -> None:
    found = _attributed(role(), trust(_N), trust(_S), account_alias("P-1", _N), account_alias("P-2", _S))
    assert found == [("sync", "P-1", "operator", "alias", "asserted"), ("sync", "P-2", "operator", "alias", "asserted")]


def test_one_account_claimed_by_two_partners_is_a_conflict() -> None:
    found = _attributed(role(), trust(_N), account_alias("P-1", _N), account_alias("P-2", _N))
    assert found == [("sync", "P-1", "operator", "alias", "conflict"), ("sync", "P-2", "operator", "alias", "conflict")]


def test_a_tag_does_not_settle_an_account_that_two_partners_claim() -> None:
    found = _attributed(
        role(), trust(_N), account_alias("P-1", _N), account_alias("P-2", _N), tag("partner", "Nordwind")
    )
    assert {row[4] for row in found} == {"conflict"}


def test_a_contested_account_leaves_an_uncontested_one_standing() -> None:
    found = _attributed(
        role(), trust(_N), trust(_S), account_alias("P-1", _N), account_alias("P-2", _N), account_alias("P-2", _S)
    )
    assert found == [("sync", "P-1", "operator", "alias", "conflict"), ("sync", "P-2", "operator", "alias", "asserted")]


def test_an_acquired_account_belongs_to_whoever_held_it_at_the_time() -> None:
    found = _attributed(
        role(),
        trust(_N),
        account_alias("P-1", _N, valid_to=date(2026, 1, 30)),
        account_alias("P-2", _N, valid_from=date(2026, 1, 31)),
    )
    assert found == [("sync", "P-2", "operator", "alias", "asserted")]


def test_an_alias_counts_on_its_first_and_on_its_last_day() -> None:
    today = date(2026, 1, 31)
    found = _attributed(role(), trust(_N), account_alias("P-1", _N, valid_from=today, valid_to=today))
    assert [row[1] for row in found] == ["P-1"]


@pytest.mark.parametrize("limit", ["aws:222222222222", "222222222222"])
def test_an_alias_limited_to_a_tenant_says_nothing_about_the_others(limit: str) -> None:
    found = _attributed(
        role("here"),
        role("there", B),
        trust(_N, on="here"),
        trust(_N, on="there", ours=B),
        account_alias("P-1", _N, our_tenant=limit),
    )
    assert [row[0] for row in found] == ["there"]


def test_a_github_organisation_is_known_by_the_subject_of_its_tokens() -> None:
    found = _attributed(
        role(),
        oidc_trust(),
        _subject("repo:Nordwind/deploy:*"),
        Alias("P-1", "github_org", "https://github.com/nordwind"),
    )
    assert found == [("sync", "P-1", "operator", "alias", "asserted")]


def test_a_github_organisation_is_known_by_the_repository_of_its_tokens() -> None:
    repository = TrustCondition(
        f"{role_id('sync')}<-oidc",
        operator="StringEquals",
        name="token.actions.example:repository",
        value="Nordwind/site",
    )
    found = _attributed(role(), oidc_trust(), repository, Alias("P-1", "github_org", "nordwind"))
    assert found == [("sync", "P-1", "operator", "alias", "asserted")]


@pytest.mark.parametrize(
    ("value", "operator"),
    [("repo:*", "StringLike"), ("repo:nord*/deploy", "StringLike"), ("repo:nordwind/deploy", "StringNotLike")],
)
def test_a_subject_that_names_no_single_organisation_attributes_nothing(value: str, operator: str) -> None:
    assert (
        _attributed(role(), oidc_trust(), _subject(value, operator=operator), Alias("P-1", "github_org", "nord")) == []
    )
    assert (
        _attributed(role(), oidc_trust(), _subject(value, operator=operator), Alias("P-1", "github_org", "nordwind"))
        == []
    )


def test_a_directory_tenant_is_known_by_its_issuer() -> None:
    guid = "11111111-2222-3333-4444-555555555555"
    found = _attributed(
        role(), oidc_trust(issuer=f"https://sts.windows.example/{guid}/"), Alias("P-1", "entra_tenant", guid.upper())
    )
    assert [row[1] for row in found] == ["P-1"]


def test_an_app_is_known_by_its_client_id() -> None:
    audience = TrustCondition(
        f"{role_id('sync')}<-oidc", operator="StringEquals", name="token.actions.example:aud", value="app-7"
    )
    found = _attributed(role(), oidc_trust(), audience, Alias("P-1", "client_id", "app-7"))
    assert [row[1] for row in found] == ["P-1"]


def test_a_credential_with_the_client_id_of_a_partner_is_operated_by_it() -> None:
    credential = Credential(
        "crm:x:secret/app-7",
        role_id("sync"),
        provider="crm",
        tenant_id="crm:x",
        kind="client_secret",
        native_id="app-7",
        status="active",
        is_replaceable=True,
    )
    assert [row[1] for row in _attributed(role(), credential, Alias("P-1", "client_id", "app-7"))] == ["P-1"]


def test_a_vault_path_covers_what_lies_below_it_and_not_its_neighbour() -> None:
    def entity(path: str) -> Identity:
        return Identity(f"vault:main:entity/{path}", "vault", "vault:main", "app", path, path, True)

    found = _attributed(
        entity("partners/nord/sync"), entity("partners/nordic"), Alias("P-1", "vault_path", "/partners/nord/")
    )
    assert [row[0] for row in found] == ["partners/nord/sync"]


# tags


@pytest.mark.parametrize(
    "value",
    [
        "P-2",
        "p-2",
        "Südlicht AG",
        "südlicht",
        "Suedlicht",
        "sudlicht",
        "SÜDLICHT A.G.",
        "Su\u0308dlicht",
        "Suedlicht GmbH & Co. KG",
        "suedlicht_ltd",
        " Südlicht, Inc. ",
        "Südlicht B.V.",
        "Südlicht S.à r.l.",
        "Südlicht Sp. z o.o.",
    ],
)
def test_a_tag_names_a_partner_however_people_write_it(value: str) -> None:
    assert _attributed(role(), tag("partner", value)) == [("sync", "P-2", "operator", "tag", "asserted")]


@pytest.mark.parametrize("name", ["Vendor", "acme:partner", "owner-company", "nhiscan:partner", "Supplier_Name"])
def test_a_partner_tag_is_known_by_several_names(name: str) -> None:
    assert [row[1] for row in _attributed(role(), tag(name, "Nordwind"))] == ["P-1"]


def test_another_tag_only_suggests() -> None:
    assert _attributed(role(), tag("description", "sync for Nordwind")) == [
        ("sync", "P-1", "operator", "likeness", "suggested")
    ]


def test_a_tag_with_the_legal_suffix_tells_two_companies_apart() -> None:
    found = _attributed(role(), Partner("P-3", "Nordwind Inc"), tag("partner", "Nordwind Inc."))
    assert ("sync", "P-3", "operator", "tag", "asserted") in found
    assert ("sync", "P-1", "operator", "likeness", "lost") in found


def test_a_tag_that_two_companies_could_mean_is_a_conflict() -> None:
    found = _attributed(role(), Partner("P-3", "Nordwind Inc"), tag("partner", "Nordwind"))
    assert [(row[1], row[3], row[4]) for row in found] == [("P-1", "tag", "conflict"), ("P-3", "tag", "conflict")]


def test_two_tags_naming_two_partners_are_a_conflict() -> None:
    found = _attributed(role(), tag("partner", "Nordwind"), tag("vendor", "Suedlicht"))
    assert [(row[1], row[4]) for row in found] == [("P-1", "conflict"), ("P-2", "conflict")]


def test_a_company_called_by_its_legal_form_keeps_its_name() -> None:
    assert [row[1] for row in _attributed(role(), Partner("P-3", "SE"), tag("partner", "se"))] == ["P-3"]


def test_a_tag_without_letters_names_nobody() -> None:
    assert _attributed(role(), Partner("P-3", "---"), tag("partner", "***")) == []


def test_a_tag_may_hold_an_alias() -> None:
    assert [row[1] for row in _attributed(role(), account_alias("P-1", _N), tag("partner", _N))] == ["P-1"]


def test_a_partner_tagged_beside_the_trusted_account_of_another_is_the_beneficiary() -> None:
    found = _attributed(role(), trust(_N), account_alias("P-1", _N), tag("partner", "Suedlicht"))
    assert found == [
        ("sync", "P-1", "operator", "alias", "asserted"),
        ("sync", "P-2", "beneficiary", "tag", "asserted"),
    ]


def test_a_partner_mapped_without_a_role_beside_the_account_of_another_is_the_beneficiary() -> None:
    found = _attributed(role(), trust(_N), account_alias("P-1", _N), IdentityMapping("sync", partner_id="P-2"))
    assert [(row[1], row[2], row[4]) for row in found] == [
        ("P-1", "operator", "asserted"),
        ("P-2", "beneficiary", "asserted"),
    ]


def test_a_weaker_tag_for_another_partner_is_kept_as_lost() -> None:
    found = _attributed(role(), IdentityMapping("sync", partner_id="P-1"), tag("vendor", "Suedlicht"))
    assert [(row[1], row[3], row[4]) for row in found] == [
        ("P-1", "identity_map", "asserted"),
        ("P-2", "tag", "lost"),
    ]


def test_evidence_for_one_partner_becomes_one_row_with_the_strongest_first() -> None:
    con = scan(NORDWIND, SUEDLICHT, role(), trust(_N), account_alias("P-1", _N), tag("vendor", "Nordwind"))
    partners.run(con)
    [(confidence, evidence)] = rows(con, "select confidence, evidence from identity_partners")
    assert confidence == 0.95
    assert evidence.startswith(f"its trust policy lets account {_N} in, an aws_account of the partner; tag vendor =")


# people and mail domains


def _mailer(mail: str, name: str = "sync", **fields: Any) -> Identity:
    return role(name, mail=mail, **fields)


def test_an_exclusive_mail_domain_names_the_partner() -> None:
    found = _attributed(_mailer("Bot@Nordwind.example"), domain("P-1", "@nordwind.example"))
    assert found == [("sync", "P-1", "operator", "mail_domain", "asserted")]


def test_a_user_named_by_an_address_is_known_by_its_domain() -> None:
    assert [row[1] for row in _attributed(role("jo@nordwind.example"), domain("P-1", "nordwind.example"))] == ["P-1"]


def test_an_internationalised_domain_matches_its_ascii_form() -> None:
    found = _attributed(_mailer("bot@xn--sdlicht-n2a.example"), domain("P-2", "südlicht.example"))
    assert [row[1] for row in found] == ["P-2"]


@pytest.mark.parametrize("value", ["gmail.com", "web.de", "acme.example", "mail.acme.example"])
def test_free_mail_and_our_own_domains_never_attribute(value: str) -> None:
    assert _attributed(_mailer(f"bot@{value}"), domain("P-1", value)) == []


def test_a_shared_domain_never_attributes() -> None:
    assert _attributed(_mailer("bot@hosting.example"), domain("P-1", "hosting.example", exclusive=False)) == []


def test_a_domain_that_one_partner_calls_shared_attributes_nobody() -> None:
    found = _attributed(
        _mailer("bot@hosting.example"),
        domain("P-1", "hosting.example", exclusive=False),
        domain("P-2", "hosting.example", exclusive=True),
    )
    assert found == []


def test_one_domain_claimed_by_two_partners_is_a_conflict() -> None:
    found = _attributed(_mailer("bot@x.example"), domain("P-1", "x.example"), domain("P-2", "x.example"))
    assert [(row[1], row[4]) for row in found] == [("P-1", "conflict"), ("P-2", "conflict")]


def test_a_domain_of_an_acquired_partner_passes_on_with_the_date() -> None:
    found = _attributed(
        _mailer("bot@x.example"),
        domain("P-1", "x.example", valid_to=date(2025, 12, 31)),
        domain("P-2", "x.example", valid_from=date(2026, 1, 1)),
    )
    assert [row[1] for row in found] == ["P-2"]


def test_partner_staff_on_our_own_domain_are_the_partner() -> None:
    found = _attributed(_mailer("jo.ext@acme.example"), Person("jo.ext@acme.example", side="partner", partner_id="P-1"))
    assert found == [("sync", "P-1", "operator", "people", "asserted")]


def test_partner_staff_are_known_by_a_former_address() -> None:
    found = _attributed(
        _mailer("jo@old.example"),
        Person("jo@acme.example", side="partner", partner_id="P-1"),
        PersonMail("jo@acme.example", "jo@old.example"),
    )
    assert [row[1] for row in found] == ["P-1"]


def test_an_address_that_passed_to_somebody_else_means_its_present_holder() -> None:
    found = _attributed(
        _mailer("info@acme.example"),
        Person("jo@acme.example", side="partner", partner_id="P-1"),
        PersonMail("jo@acme.example", "info@acme.example"),
        Person("info@acme.example", side="partner", partner_id="P-2"),
    )
    assert [row[1] for row in found] == ["P-2"]


def test_one_of_our_people_with_an_address_at_the_partner_is_still_ours() -> None:
    assert (
        _attributed(
            _mailer("jo@nordwind.example"),
            domain("P-1", "nordwind.example"),
            Person("jo@nordwind.example", side="ours"),
        )
        == []
    )


def test_a_person_of_one_partner_beats_the_domain_of_another() -> None:
    found = _attributed(
        _mailer("jo@x.example"), domain("P-1", "x.example"), Person("jo@x.example", side="partner", partner_id="P-2")
    )
    assert [(row[1], row[4]) for row in found] == [("P-1", "lost"), ("P-2", "asserted")]


# likeness


@pytest.mark.parametrize(
    "name", ["svc-nordwind-sync", "svcNordwindSync", "nord-wind-2", "NordWind", "NORDWIND_prod", "svc.nordwind01"]
)
def test_a_name_that_contains_the_partner_suggests_it(name: str) -> None:
    assert _attributed(role(name)) == [(name, "P-1", "operator", "likeness", "suggested")]


@pytest.mark.parametrize("name", ["svc-nordwinde", "snordwind", "nord-x-wind"])
def test_a_name_that_contains_the_partner_inside_a_word_suggests_nothing(name: str) -> None:
    assert _attributed(role(name)) == []


@pytest.mark.parametrize("called", ["Nox AG", "Data GmbH", "Cloud"])
def test_short_and_ordinary_words_suggest_nothing(called: str) -> None:
    assert _attributed(Partner("P-3", called), role("nox-data-cloud")) == []


def test_a_partner_of_two_words_is_suggested_by_both_and_not_by_one() -> None:
    found = _attributed(Partner("P-3", "Cloud Bakers Ltd"), role("cloud-runner"), role("svc-cloud-bakers-1"))
    assert [row[0] for row in found] == ["svc-cloud-bakers-1"]


def test_likeness_to_two_partners_suggests_both() -> None:
    found = _attributed(role("nordwind-suedlicht"))
    assert [(row[1], row[4]) for row in found] == [("P-1", "suggested"), ("P-2", "suggested")]


def test_what_a_provider_made_is_not_attributed_by_likeness() -> None:
    assert _attributed(role("nordwind", is_provider_owned=True), tag("d", "nordwind", on="nordwind")) == []


@pytest.mark.parametrize("kind", ["group", "entity"])
def test_what_only_groups_others_is_never_attributed(kind: str) -> None:
    assert _attributed(role("nordwind", kind=kind), IdentityMapping("nordwind", partner_id="P-1")) == []


@pytest.mark.parametrize("kind", ["group", "entity"])
def test_what_only_groups_others_is_not_suggested_for_a_partner_by_its_tag(kind: str) -> None:
    assert _attributed(role("app", kind=kind), tag("partner", "nordwind", on="app")) == []


def _in(name: str, group: str) -> Membership:
    return Membership(role_id(name), role_id(group))


@pytest.mark.parametrize("kind", ["group", "entity"])
@pytest.mark.parametrize(
    ("called", "tags"),
    [
        ("Nordwind Partners", []),
        ("g7", [tag("partner", "P-1", on="g7")]),
        ("g7", [tag("note", "for Nordwind", on="g7")]),
    ],
    ids=["name", "partner tag", "other tag"],
)
def test_who_is_in_a_group_that_bears_a_partners_name_may_be_the_partners(
    kind: str, called: str, tags: list[Record]
) -> None:
    inside = [role("feed"), role("inner", kind="group"), role("elsewhere")]
    found = _attributed(role(called, kind=kind), *inside, _in("feed", "inner"), _in("inner", called), *tags)
    assert found == [("feed", "P-1", "operator", "likeness", "suggested")]


def test_groups_that_contain_each_other_are_followed_once() -> None:
    both = [role("nordwind", kind="group"), role("other", kind="group"), role("feed")]
    found = _attributed(*both, _in("nordwind", "other"), _in("other", "nordwind"), _in("feed", "other"))
    assert found == [("feed", "P-1", "operator", "likeness", "suggested")]


def test_a_group_says_nothing_of_who_is_anothers_or_ours() -> None:
    ours = role("kim", kind="human_user", mail="kim@acme.example")
    found = _attributed(
        role("nordwind", kind="group"),
        ours,
        Person("kim@acme.example", side="ours"),
        role("sud"),
        tag("partner", "P-2", on="sud"),
        _in("kim", "nordwind"),
        _in("sud", "nordwind"),
    )
    assert [row[:2] + row[4:] for row in found] == [("sud", "P-1", "lost"), ("sud", "P-2", "asserted")]


# the register


def test_a_subsidiary_is_named_itself() -> None:
    child = Partner("P-3", "Nordwind Polska Sp. z o.o.", parent_id="P-1", relation="subsidiary")
    found = _attributed(child, role(), trust(_S), account_alias("P-3", _S))
    assert [(row[1], row[4]) for row in found] == [("P-3", "asserted")]


def test_hostile_names_are_ordinary_names() -> None:
    name = "x'; drop table identities; --<script>"
    found = _attributed(Partner("P-'3", name), role(name), tag("partner", name, on=name))
    assert [(row[1], row[4]) for row in found] == [("P-'3", "asserted")]


def test_an_empty_register_attributes_nothing() -> None:
    con = scan(role(), trust(_N))
    partners.run(con)
    assert rows(con, "select * from identity_partners") == []


def test_a_second_run_says_the_same() -> None:
    con = scan(NORDWIND, role(), trust(_N), account_alias("P-1", _N))
    partners.run(con)
    first = rows(con, "select * from identity_partners")
    partners.run(con)
    assert rows(con, "select * from identity_partners") == first != []


# signs of identities in a CRM

_ORG = "salesforce:00D000000000001AAA"
_LONG = "001D000000IqhSLIAZ"


def _user(name: str = "ann", **fields: Any) -> Identity:
    return Identity(f"{_ORG}:user/{name}", "salesforce", _ORG, "human_user", name, name, False, **fields)


def _sign(kind: str, value: str, name: str = "ann") -> Sign:
    return Sign(f"{_ORG}:user/{name}", kind=kind, value=value)


@pytest.mark.parametrize(
    "alias",
    [
        _LONG,
        _LONG[:15],
        _LONG.lower(),
        f" {_LONG} ",
        f"https://acme.my.example/lightning/r/Account/{_LONG}/view",
        f"https://acme.my.example/{_LONG[:15]}",
    ],
)
@pytest.mark.parametrize("shown", [_LONG, _LONG[:15]])
def test_an_account_is_the_same_in_15_and_18_characters(alias: str, shown: str) -> None:
    found = _attributed(_user(), _sign("salesforce_account", shown), Alias("P-1", "salesforce_account", alias))
    assert found == [("ann", "P-1", "operator", "alias", "asserted")]


@pytest.mark.parametrize("alias", [_LONG[:15].lower(), "001D000000IqhSMIAZ", "003D000000IqhSLIAZ"])
def test_an_account_that_is_only_like_another_is_another(alias: str) -> None:
    assert _attributed(_user(), _sign("salesforce_account", _LONG), Alias("P-1", "salesforce_account", alias)) == []


def test_an_outsider_of_an_account_that_nobody_claims_is_nobodys() -> None:
    found = _attributed(
        _user(is_external=True),
        _sign("salesforce_account", _LONG),
        PartnerAccount("salesforce", _ORG, _LONG, "Westwind Handel"),
    )
    assert found == []


@pytest.mark.parametrize("system", ["salesforce", "Salesforce", "salesforce:00D000000000001AAA"])
def test_the_record_that_the_register_was_exported_from_is_an_alias(system: str) -> None:
    east = Partner("P-3", "Ostwind KG", source_system=system, source_id=_LONG[:15])
    assert _attributed(east, _user(), _sign("salesforce_account", _LONG)) == [
        ("ann", "P-3", "operator", "alias", "asserted")
    ]


def test_a_record_of_some_other_system_is_no_account() -> None:
    east = Partner("P-3", "Ostwind KG", source_system="sap", source_id=_LONG)
    assert _attributed(east, _user(), _sign("salesforce_account", _LONG)) == []


def test_an_account_that_two_partners_claim_is_a_conflict() -> None:
    found = _attributed(
        _user(),
        _sign("salesforce_account", _LONG),
        Alias("P-1", "salesforce_account", _LONG),
        Alias("P-2", "salesforce_account", _LONG[:15]),
    )
    assert [(row[1], row[4]) for row in found] == [("P-1", "conflict"), ("P-2", "conflict")]


def test_an_account_that_is_called_shared_names_nobody() -> None:
    found = _attributed(
        _user(),
        _sign("salesforce_account", _LONG),
        Alias("P-1", "salesforce_account", _LONG),
        Alias("P-2", "salesforce_account", _LONG[:15], exclusive=False),
    )
    assert found == []


@pytest.mark.parametrize("alias", ["12345", "https://app.hubspot.example/contacts/7/record/0-2/12345/"])
def test_a_company_of_hubspot_is_known_by_its_number(alias: str) -> None:
    found = _attributed(_user(), _sign("hubspot_company", "12345"), Alias("P-1", "hubspot_company", alias))
    assert found == [("ann", "P-1", "operator", "alias", "asserted")]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("Nordwind GmbH", ["P-1"]), ("NORDWIND", ["P-1", "P-2"]), ("Nordwind Inc.", ["P-2"]), ("Nordwindrad", [])],
)
def test_a_publisher_is_known_without_its_legal_suffix_but_not_by_the_wrong_one(
    shown: str, expected: list[str]
) -> None:
    found = _attributed(
        _user("app"),
        _sign("publisher", shown, "app"),
        Alias("P-1", "publisher", "Nordwind GmbH"),
        Alias("P-2", "publisher", "Nordwind Inc"),
    )
    assert [row[1] for row in found if row[3] == "alias"] == expected


def test_a_client_id_is_known_to_the_letter() -> None:
    found = _attributed(
        _user("app"),
        _user("other"),
        _sign("client_id", "3MVG9abc", "app"),
        _sign("client_id", "3MVG9ABC", "other"),
        Alias("P-1", "client_id", "3MVG9abc"),
    )
    assert found == [("app", "P-1", "operator", "alias", "asserted")]


def test_a_publisher_that_is_called_by_its_domain_is_weaker_than_an_alias() -> None:
    found = _attributed(
        _user("app"),
        _user("free"),
        _sign("publisher", "sync.example", "app"),
        _sign("client_id", "c-1", "app"),
        _sign("publisher", "gmail.com", "free"),
        domain("P-1", "sync.example"),
        domain("P-1", "gmail.com"),
        Alias("P-2", "client_id", "c-1"),
    )
    assert found == [
        ("app", "P-1", "operator", "mail_domain", "lost"),
        ("app", "P-2", "operator", "alias", "asserted"),
    ]


def test_an_alias_limited_to_a_tenant_says_nothing_about_accounts_of_another() -> None:
    found = _attributed(
        _user(),
        _sign("salesforce_account", _LONG),
        Alias("P-1", "salesforce_account", _LONG, our_tenant="salesforce:00D000000000002AAA"),
        Alias("P-2", "salesforce_account", _LONG, our_tenant=_ORG),
    )
    assert found == [("ann", "P-2", "operator", "alias", "asserted")]


def test_the_name_of_an_account_only_suggests() -> None:
    found = _attributed(
        _user(is_external=True),
        _sign("salesforce_account", _LONG),
        PartnerAccount("salesforce", _ORG, _LONG, "Nordwind Handel Süd"),
        PartnerAccount("salesforce", "salesforce:00D000000000002AAA", _LONG, "Südlicht"),
    )
    assert found == [("ann", "P-1", "operator", "likeness", "suggested")]


@pytest.mark.parametrize(
    "value", ["", "'; drop table signs; --", "001" + "x" * 2_000, "\x00\n<b>", "001D000000IqhSL" + "é" * 3]
)
def test_whatever_an_account_is_called_it_is_only_compared(value: str) -> None:
    found = _attributed(_user(), _sign("salesforce_account", value), Alias("P-1", "salesforce_account", value))
    assert [row[1] for row in found] == (["P-1"] if value else [])
