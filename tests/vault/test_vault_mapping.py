"""What methods, engines and answers become that no server on this machine gives."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhiscan.collect import load

PACKAGE = load("vault").__module__


def part(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def mount(method: str, path: str = "login") -> Any:
    return part("mounts").Mount(method, path, path, f"auth_{method}_1", 0, 0)


def key(method: str, name: str = "deploy", *, kind: str = "role") -> Any:
    return part("mounts").Key(mount(method), "role", kind, name)


def trust(method: str, role: dict[str, Any], config: dict[str, Any] | None = None) -> Any:
    return next(iter(part("roles").trust_records("vault:main", key(method), role, config or {})))


# times


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-31T12:00:00.123456789Z", datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T14:00:00.5+02:00", datetime(2026, 1, 31, 12, 0, 0, 500000, UTC)),
        (1769860800, datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
        (0, None),
        ("yesterday", None),
    ],
)
def test_times_of_a_server(value: object, expected: datetime | None) -> None:
    assert part("words").moment(value) == expected


@pytest.mark.parametrize(
    ("networks", "narrow"),
    [
        (["10.0.0.0/8"], True),
        (["203.0.113.7"], True),
        (["10.0.0.0/8", "0.0.0.0/0"], False),
        (["128.0.0.0/1"], False),
        (["2001:db8::/32"], True),
        (["::/0"], False),
        (["unix"], False),
        ([], False),
    ],
)
def test_only_networks_that_leave_most_of_the_internet_out_bind(networks: list[str], narrow: bool) -> None:
    assert part("words").are_narrow(networks) is narrow


# methods of HashiCorp Vault


def certificate(is_authority: bool | None) -> str:
    """Signed by itself; None: it does not say whether it is an authority."""
    own = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app.example.com")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    )
    if is_authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    return builder.sign(own, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_bounds_of_a_cloud_method_are_kept_as_claims() -> None:
    role = {"bound_iam_principal_arn": ["arn:aws:iam::111111111111:role/app"], "bound_account_id": [], "token_ttl": 60}
    row = part("roles").auth_role("vault:main", key("aws"), role)
    assert row.bound_claims == "bound_iam_principal_arn=arn:aws:iam::111111111111:role/app"
    assert (row.token_ttl_s, row.secret_ttl_s, row.bound_subjects) == (60, None, None)


def test_older_servers_name_ttls_and_policies_without_token() -> None:
    role = {"policies": ["reader"], "ttl": 60, "max_ttl": 120, "period": 0, "bound_cidrs": ["10.0.0.0/8"]}
    row = part("roles").auth_role("vault:main", key("kubernetes"), role)
    assert (row.token_ttl_s, row.token_max_ttl_s, row.bound_networks) == (60, 120, "10.0.0.0/8")
    assert part("roles").role_policies(key("kubernetes"), role, []) == ["reader", "default"]


def test_a_group_of_a_directory_gets_no_default_policy_by_itself() -> None:
    assert part("roles").role_policies(key("ldap", kind="group"), {"policies": ["dev"]}, []) == ["dev"]


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ({"allowed_policies": ["app-one"]}, ["app-one"]),
        ({"allowed_policies_glob": ["app-*"]}, ["app-one", "app-two"]),
        ({"allowed_policies": ["other"], "allowed_policies_glob": ["*-o*e"]}, ["other", "app-one"]),
        ({"allowed_policies_glob": ["app-on?"]}, []),
        ({"allowed_policies_glob": ["*"]}, ["app-one", "app-two", "other"]),
        ({"disallowed_policies": ["other"]}, ["app-one", "app-two"]),
        ({"disallowed_policies_glob": ["app-*"]}, ["other"]),
        ({"allowed_policies_glob": ["app-*"], "disallowed_policies_glob": ["*two"]}, ["app-one"]),
        ({}, []),
    ],
)
def test_which_policies_a_token_role_may_give(role: dict[str, Any], names: list[str]) -> None:
    known = ["root", "app-two", "app-one", "other"]
    role = dict.fromkeys(("allowed_policies", "disallowed_policies_glob")) | role
    found = part("roles").role_policies(key("token"), role | {"token_no_default_policy": True}, known)
    assert found == names


@pytest.mark.parametrize(
    ("secret_id", "role", "is_bound"),
    [
        ({}, {"token_bound_cidrs": ["203.0.113.0/24"]}, True),
        ({}, {"secret_id_bound_cidrs": ["203.0.113.0/24"], "token_bound_cidrs": ["0.0.0.0/0"]}, True),
        ({"token_bound_cidrs": ["203.0.113.0/24"]}, {"token_bound_cidrs": None}, True),
        ({"cidr_list": ["0.0.0.0/0"]}, {}, False),
        ({"cidr_list": []}, {"token_bound_cidrs": []}, False),
    ],
)
def test_a_secret_id_is_bound_where_it_or_the_tokens_that_it_gives_are(
    secret_id: dict[str, Any], role: dict[str, Any], is_bound: bool
) -> None:
    answer = {"secret_id_accessor": "a", **secret_id}
    record = part("credentials").secret_id_record("vault:main", key("approle"), role, answer)
    assert record.is_network_bound is is_bound


def test_a_directorys_group_and_user_of_one_name_are_two_identities() -> None:
    user, group = (key("ldap", "dev", kind=kind).identity_id("vault:main") for kind in ("user", "group"))
    assert user != group


def test_a_certificate_role_is_pinned_by_names_without_wildcards() -> None:
    assert trust("cert", {"allowed_common_names": ["app.example.com"]}).subject_check == "pinned"
    assert trust("cert", {"allowed_dns_sans": ["*.example.com"]}).subject_check == "weak"
    assert trust("cert", {}).subject_check == "none"


@pytest.mark.parametrize(
    ("is_authority", "check"),
    [(True, "none"), (False, "pinned"), (None, "pinned")],
    ids=["authority", "none", "silent"],
)
def test_a_certificate_that_is_no_authority_lets_in_itself_only(is_authority: bool | None, check: str) -> None:
    role = {"certificate": certificate(is_authority)}
    assert trust("cert", role).subject_check == check
    row = part("roles").auth_role("vault:main", key("cert"), role)
    assert row.bound_subjects.startswith("certificate ") is (check == "pinned")
    beside_an_authority = {"certificate": certificate(is_authority) + certificate(True)}
    assert trust("cert", beside_an_authority).subject_check == "none"


def test_an_oidc_role_takes_tokens_for_its_own_client_only() -> None:
    found = trust("oidc", {"role_type": "oidc", "user_claim": "sub"}, {"oidc_discovery_url": "https://id.example.com"})
    assert (found.audience_check, found.issuer) == ("pinned", "https://id.example.com")


def test_keys_without_an_issuer_are_named_by_their_mount() -> None:
    assert trust("jwt", {}, {"jwt_validation_pubkeys": ["..."]}).issuer == "keys of login"


def test_an_issuer_whose_configuration_was_refused_is_unknown() -> None:
    assert trust("jwt", {"bound_subject": "app"}).issuer is None


def test_narrow_networks_are_said_to_narrow_a_trust() -> None:
    assert trust("jwt", {"token_bound_cidrs": ["10.0.0.0/8"]}).narrowed_by == "token_bound_cidrs"
    assert trust("jwt", {"token_bound_cidrs": ["0.0.0.0/0"]}).narrowed_by is None


@pytest.mark.parametrize(
    ("claims", "kind", "check"),
    [
        ({"sub": "repo:alder/shop:ref:refs/heads/*"}, "glob", "pinned"),
        ({"sub": "repo:alder/*"}, "glob", "owner"),
        ({"sub": "repo:*"}, "glob", "weak"),
        ({"sub": "repo:alder/*"}, "string", "pinned"),  # without globbing a star is a star
        ({"repository": "alder/*"}, "glob", "owner"),
        ({"project_path": "alder/shop"}, "string", "pinned"),
        ({"sub": ["repo:alder/shop:x", "repo:*"]}, "glob", "weak"),
        ({"sub": "repo:alder/*", "repository": "alder/shop"}, "glob", "pinned"),
        ({"environment": "prod"}, "string", "weak"),
        ({"team": "*"}, "glob", "weak"),
        ({"sub": []}, "string", "none"),
    ],
)
def test_how_well_claims_say_who_may_come(claims: dict[str, Any], kind: str, check: str) -> None:
    assert trust("jwt", {"bound_claims": claims, "bound_claims_type": kind}).subject_check == check


# logins


@pytest.mark.parametrize(
    ("token", "origin"),
    [
        ({"path": "auth/login/login", "meta": {"role_name": "deploy"}}, ("login", "deploy")),
        ({"path": "auth/login/login", "meta": None}, None),
        ({"path": "auth/login/deep/login", "meta": {"role": "app"}}, ("login/deep", "app")),
        ({"path": "auth/people/login/ana", "meta": {"username": "ana"}}, ("people", "ana")),
        ({"path": "auth/people/login/ana"}, ("people", "ana")),
        ({"path": "auth/token/create/nightly", "role": "nightly"}, ("token", "nightly")),
        ({"path": "auth/token/create"}, None),
        ({"path": "auth/gone/login", "meta": {"role": "app"}}, None),
    ],
)
def test_which_role_a_token_came_from(token: dict[str, Any], origin: tuple[str, str] | None) -> None:
    mounts = [mount("approle"), mount("jwt", "login/deep"), mount("userpass", "people"), mount("token", "token")]
    found = part("mounts").token_origin(mounts, token)
    assert (None if found is None else (found[0].path, found[1])) == origin


@pytest.mark.parametrize(
    ("names", "namespaces", "is_behind"),
    [(["shop"], ["prod"], True), (["*"], ["prod"], True), (["shop"], ["test"], False), (["other"], ["*"], False)],
)
def test_a_service_account_stands_behind_the_roles_that_let_it_in(
    names: list[str], namespaces: list[str], is_behind: bool
) -> None:
    entities = part("entities")
    alias = {
        "mount_accessor": "auth_kubernetes_1",
        "mount_type": "kubernetes",
        "name": "0f5e",
        "metadata": {"service_account_name": "shop", "service_account_namespace": "prod"},
    }
    entity = entities.read_entity({"id": "e-1", "aliases": [alias]})
    role = {"bound_service_account_names": names, "bound_service_account_namespaces": namespaces}
    found = entities.behind([entity], [mount("kubernetes")]).entities(key("kubernetes"), role)
    assert bool(found) is is_behind


@pytest.mark.parametrize(
    ("method", "role", "is_one"),
    [
        ("approle", {}, True),
        ("jwt", {"bound_subject": "app", "user_claim": "sub"}, True),
        ("jwt", {"bound_subject": "app", "user_claim": "jti"}, False),  # each token makes an entity
        ("jwt", {"user_claim": "sub"}, False),
    ],
)
def test_a_role_for_one_subject_has_one_entity_where_the_subject_names_it(
    method: str, role: dict[str, Any], is_one: bool
) -> None:
    assert part("roles").is_one_subject(method, role) is is_one


# secrets


def test_a_secret_of_which_no_version_is_left_is_not_stored() -> None:
    metadata = {"current_version": 1, "versions": {"1": {"destroyed": True, "deletion_time": ""}}}
    assert list(part("stores").kv_secret("r", "kv2", metadata, None)) == []


def test_a_secret_that_has_only_labels_so_far_is_not_stored() -> None:
    metadata = {"created_time": "2026-01-05T10:00:00Z", "current_version": 0, "versions": {}}
    assert list(part("stores").kv_secret("r", "kv2", metadata, None)) == []
    assert len(list(part("stores").kv_secret("r", "kv1", {}, None))) == 1


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"value": "x"}, ["value"]),
        ({"username": "u", "password": "p"}, ["password"]),
        ({"client_id": "i", "client_secret": "s", "API_KEY": "k"}, ["client_secret", "API_KEY"]),
        ({"host": "h", "port": 5432}, []),
        ({"note": "", "token": "t"}, ["token"]),
        ({}, []),
    ],
)
def test_which_fields_of_a_secret_are_the_secret(fields: dict[str, Any], names: list[str]) -> None:
    assert [name for name, _ in part("stores").secret_fields(fields)] == names


def test_a_static_role_is_rotated_by_the_engine_in_its_period() -> None:
    role = {"rotation_period": 86400 * 7, "last_vault_rotation": "2026-01-30T00:00:00Z"}
    found = part("stores").role_secret("r", "database_static_role", role, is_dynamic=True)
    assert (found.is_rotated, found.rotation_days) == (True, 7)
    assert found.rotated_at == found.updated_at == datetime(2026, 1, 30, tzinfo=UTC)


def test_whether_a_role_that_was_refused_rotates_is_unknown() -> None:
    assert part("stores").role_secret("r", "transit_key", {}, is_dynamic=False).is_rotated is None


# stores


@pytest.mark.parametrize(
    ("kind", "role", "value"),
    [
        ("aws_role", {"role_arns": ["arn:aws:iam::111111111111:role/a", "arn:aws:iam::111111111111:role/b"]}, 2),
        ("aws_role", {"role_arns": None, "policy_arns": ["x"]}, 0),
        ("database_role", {"role_arns": ["x"]}, 0),
    ],
)
def test_a_role_of_the_aws_engine_names_the_roles_that_it_hands_out(
    kind: str, role: dict[str, Any], value: int
) -> None:
    found = [tag.value for tag in part("stores").assumed_roles("r", kind, role)]
    assert sum(len(text.split(",")) for text in found) == value
