"""What keys of services must satisfy beyond their patterns: checksums, claims, passwords that somebody chose."""

from __future__ import annotations

import base64

import pytest

from fixtures.filled import filled
from nhiscan.detect.precise import checks


def test_grafana_ends_a_token_in_the_crc32_of_all_before_it() -> None:
    token = filled("<<grafana:[0-9A-Za-z]{32}>>")

    assert checks.grafana_crc32(token)


def test_a_token_of_grafana_with_another_checksum_is_none() -> None:
    token = filled("<<grafana:[0-9A-Za-z]{32}>>")

    assert not checks.grafana_crc32(token[:-8] + f"{int(token[-8:], 16) ^ 1:08x}")


def test_grafana_writes_the_lowest_byte_of_the_checksum_first() -> None:
    # From the tests of Grafana's own pkg/components/satokengen, so not of this project's filler.
    assert checks.grafana_crc32("glsa_" + "iNValIdinValiDinvalidinvalidinva" + "_5b582697")


def test_a_key_of_elasticsearch_holds_an_id_a_colon_and_a_key() -> None:
    assert checks.elastic_api_key(filled("<<elastic:20>>"))


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(b"a" * 43, id="no colon"),
        pytest.param(b"a" * 19 + b":" + b"b" * 23, id="colon elsewhere"),
        pytest.param(b"a" * 20 + b":" + b"b" * 21 + b":", id="two colons"),
        pytest.param(b"\xff" * 20 + b":" + b"b" * 22, id="bytes that are no text"),
    ],
)
def test_other_base64_of_that_length_is_no_key_of_elasticsearch(held: bytes) -> None:
    assert not checks.elastic_api_key(base64.b64encode(held).decode())


def test_what_is_no_base64_is_no_key_of_elasticsearch() -> None:
    assert not checks.elastic_api_key("not base64 at all")


def test_the_subject_tells_a_service_account_of_kubernetes() -> None:
    assert checks.kubernetes_token(filled('<<jwt:{"sub": "system:serviceaccount:prod:deployer"}>>'))


@pytest.mark.parametrize("claims", ['{"sub": "deployer"}', '{"sub": 7}', '{"iss": "kubernetes/serviceaccount"}', "[]"])
def test_claims_of_another_subject_are_none_of_kubernetes(claims: str) -> None:
    assert not checks.kubernetes_token(filled(f"<<jwt:{claims}>>"))


def test_the_key_of_supabase_that_passes_all_rules_is_told_from_the_public_one() -> None:
    assert checks.supabase_service_role(filled('<<jwt:{"iss": "supabase", "role": "service_role"}>>'))
    assert not checks.supabase_service_role(filled('<<jwt:{"iss": "supabase", "role": "anon"}>>'))


def test_argo_cd_names_itself_as_the_issuer() -> None:
    assert checks.argo_cd_token(filled('<<jwt:{"iss": "argocd"}>>'))
    assert not checks.argo_cd_token(filled('<<jwt:{"iss": "https://idp.example", "sub": "argocd"}>>'))


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("password", id="the word"),
        pytest.param("P@ssw0rd", id="the word in other signs"),
        pytest.param("secret123", id="a word and a number"),
        pytest.param("tiger", id="of the manual of Oracle"),
        pytest.param("my-secret-password", id="words in a row"),
        pytest.param("${DB_PASSWORD}", id="a variable of a shell"),
        pytest.param("pre-$PASSWORD1", id="a variable behind a text"),
        pytest.param("%(password)s", id="a place of Python"),
        pytest.param("{db_pass}1", id="a place of a template"),
        pytest.param("p4-#{password}", id="a place of Ruby"),
        pytest.param("{{ vault_password }}", id="a place of Jinja"),
        pytest.param("proxy_pass_word", id="a variable of the same program"),
    ],
)
def test_a_password_of_every_manual_is_none(password: str) -> None:
    assert not checks.connection_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "k7Qz" + "m2Lx9v",
        "Correct" + "-horse-7",
        "a%40" + "b%2Fc19",
        "Sommer" + "2026!",
        "x$9" + "kLm",
        "test" + "ament42",
    ],
)
def test_a_password_that_somebody_chose_is_one(password: str) -> None:
    assert checks.connection_password(password)


@pytest.mark.parametrize(
    "value",
    [
        "9f3b07c2e815d64a0c7e9f3b07c2e815",
        "q7Lw2ZkR9xTf4mNc",
        "acme-prod:q7Lw2ZkR9xTf",
    ],
)
def test_what_changes_its_signs_often_was_drawn_at_random(value: str) -> None:
    assert checks.random_value(value)


@pytest.mark.parametrize(
    "value",
    [
        "rust_openssl.hpke.X25519PrivateKey",
        "version-2024.11.22-build-118",
        "bfa3add8b26e8530",
        "sha256-9f3b07c2e815d64a0c7e9f3b07c2e815",
        "get_ledger_key_256_of_region_2",
        "correct-horse-battery-staple",
    ],
)
def test_names_versions_and_digests_were_not(value: str) -> None:
    assert not checks.random_value(value)


def test_a_uuid_that_a_person_typed_is_no_secret() -> None:
    assert checks.random_uuid("7c1f2a3e-90b4-4d5e-8f61-2b7c9d0e4a53")
    assert not checks.random_uuid("11111111-2222-3333-4444-555555555555")


@pytest.mark.parametrize(
    ("password", "is_own"), [("tr0ub4dor&3X", True), ("Password123!", False), ("troubadour3", False)]
)
def test_a_password_of_ones_own_has_three_sorts_of_signs_and_stands_in_no_manual(password: str, is_own: bool) -> None:
    assert checks.own_password(password) is is_own


@pytest.mark.parametrize("value", ["9f3b07c2e815d64a0c7e", "q7Lw2ZkR-xTf4_mNc", "RhENBNYdptSkxcBIfB4QST"])
def test_beside_the_name_of_its_maker_a_value_need_not_change_as_often(value: str) -> None:
    assert checks.changing_signs(value)


@pytest.mark.parametrize("value", ["get_orders_of_region_two", "00000000000000000000ffff", "PascalCaseNameOfAClass"])
def test_not_even_there_is_a_name_or_a_round_number_one(value: str) -> None:
    assert not checks.changing_signs(value)


@pytest.mark.parametrize("value", ["v2AuthPass", "0wnP@ss-Word9", "injectNpm2FaToken", "Login2_Name", "scram-sha-256"])
def test_a_value_that_speaks_of_a_password_is_none(value: str) -> None:
    assert not checks.own_password(value)


def test_a_password_of_three_sorts_is_one() -> None:
    assert checks.own_password("tuGrAk-ahuYe4")


@pytest.mark.parametrize(
    "value",
    [
        filled("<<[0-9A-F]{38}>>A7", seed=1),
        filled("0x<<[0-9A-F]{14}>>A7", seed=2),
        "native.hpke.Mlk768X25519PrivateKey",
        "Thumb1024x1024xSizeKey",
    ],
)
def test_ids_of_public_keys_and_names_are_not_drawn_at_random(value: str) -> None:
    assert not checks.random_value(value)


@pytest.mark.parametrize("form", ["<<[0-9a-f]{38}>>a7", "<<[0-9A-F]{30}>>A7", "<<[A-Za-z0-9]{20}>>7Keyx9"])
def test_what_is_like_them_is(form: str) -> None:
    assert checks.random_value(filled(form, seed=3))
