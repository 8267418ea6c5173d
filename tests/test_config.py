from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nhiscan import config
from nhiscan.errors import ConfigError
from nhiscan.secret import Secret

FILE = Path("etc/nhiscan.toml")
COMPANY = '[company]\nname = "Acme"\n'


@dataclass(frozen=True)
class Header:
    table: str
    date_format: str | None = None


@dataclass(frozen=True)
class Portal:
    """Settings of a collector, with every kind of field that one may have."""

    path: Path
    token: Secret | None = None
    accounts: tuple[str, ...] = ()
    page_size: int = 100
    timeout_s: float = 30.0
    strict: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Header, ...] = ()
    derived: str = field(default="", init=False)


def parse(text: str) -> config.Config:
    return config.parse(tomllib.loads(text), file=FILE)


def build(text: str, *, environ: dict[str, str] | None = None) -> Portal:
    portal = config.build(
        Portal, tomllib.loads(text), where=f"{FILE}: collectors.portal.", base=FILE.parent, environ=environ or {}
    )
    assert isinstance(portal, Portal)
    return portal


def test_a_full_file_becomes_settings() -> None:
    settings = parse(
        COMPANY
        + """
        mail_domains = ["acme.example"]
        aws_accounts = { "111111111111" = "prod" }
        oidc_issuers = ["https://token.actions.example"]
        tenants = { "vault:main" = "prod" }
        [state]
        path = "state"
        [collectors.register]
        path = "register/"
        [[collectors.aws]]
        profile = "one"
        [[collectors.aws]]
        profile = "two"
        [rules.life-key-age-exceeded]
        max_age_days = 60
        """
    )
    assert settings == config.Config(
        file=FILE,
        company=config.Company(
            name="Acme",
            mail_domains=("acme.example",),
            aws_accounts={"111111111111": "prod"},
            oidc_issuers=("https://token.actions.example",),
            tenants={"vault:main": "prod"},
        ),
        state=FILE.parent / "state",
        collectors=(("register", {"path": "register/"}), ("aws", {"profile": "one"}), ("aws", {"profile": "two"})),
        rules={"life-key-age-exceeded": {"max_age_days": 60}},
    )


def test_the_state_directory_stands_beside_the_file_by_default() -> None:
    assert parse(COMPANY).state == FILE.parent / ".nhiscan"


def test_an_absolute_state_directory_stays_where_it_is() -> None:
    assert parse(COMPANY + '[state]\npath = "/var/lib/nhiscan"').state == Path("/var/lib/nhiscan")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[compny]\nname = 'Acme'", "etc/nhiscan.toml: compny: unknown key", "did you mean 'company'?"),
        (COMPANY + "mail_domain = []", "company.mail_domain: unknown key", "did you mean 'mail_domains'?"),
        (COMPANY + "[state]\ndir = 'x'", "state.dir: unknown key", "known: path"),
        ("", "[company] is missing", "add [company]"),
        ("[company]", "company.name is missing", "it has no default"),
        ("company = 'Acme'", "company must be a table", ""),
        ("[company]\nname = 7", "company.name must be a text", ""),
        (COMPANY + "mail_domains = 'acme.example'", "company.mail_domains must be a list", ""),
        (COMPANY + "mail_domains = [1]", "company.mail_domains[0] must be a text", ""),
        (COMPANY + "aws_accounts = ['111111111111']", "company.aws_accounts must be a table of texts", ""),
        (COMPANY + "aws_accounts = { 111111111111 = 1 }", "company.aws_accounts must be a table of texts", ""),
        (COMPANY + "aws_accounts = { 11111111111 = 'prod' }", "company.aws_accounts.11111111111: no AWS", "12 digits"),
        (COMPANY + "aws_accounts = { 111111111111 = 'prodd' }", "111111111111: no environment 'prodd'", "'prod'?"),
        (COMPANY + "aws_accounts = { 111111111111 = 'live' }", "no environment 'live'", "known: dev, prod"),
        (COMPANY + "tenants = { 'vault:main' = 'devl' }", "tenants.vault:main: no environment 'devl'", "'dev'?"),
        (COMPANY + "tenants = { vault = 'prod' }", "company.tenants.vault: no tenant id", "vault:main"),
        (COMPANY + "mail_domains = ['@acme.example']", "company.mail_domains[0]: no domain '@acme", "follows the @"),
        (COMPANY + "[state]\npath = 1", "state.path must be a path", ""),
        ("collectors = 1\n" + COMPANY, "collectors must be a table", "write [collectors]"),
        ("collectors.aws = 'yes'\n" + COMPANY, "collectors.aws must be a table", "write [collectors.aws]"),
        ("collectors.aws = ['yes']\n" + COMPANY, "collectors.aws must be a table", "write [collectors.aws]"),
        ("rules.life-key-age-exceeded = 60\n" + COMPANY, "rules.life-key-age-exceeded must be a table", "write ["),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_next_step(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.message.startswith("etc/nhiscan.toml: ")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_every_kind_of_setting_is_converted() -> None:
    text = """
    path = "exports"
    token = "env:TOKEN"
    accounts = ["111111111111"]
    page_size = 50
    timeout_s = 5
    strict = true
    columns = { "Partner-Nr" = "partner_id" }
    [[files]]
    table = "partners"
    """
    assert build(text, environ={"TOKEN": "correct-horse"}) == Portal(
        path=FILE.parent / "exports",
        token=Secret("correct-horse"),
        accounts=("111111111111",),
        page_size=50,
        timeout_s=5.0,
        strict=True,
        columns={"Partner-Nr": "partner_id"},
        files=(Header(table="partners"),),
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("path = 'x'\ntokn = 'env:T'", "collectors.portal.tokn: unknown key", "did you mean 'token'?"),
        ("path = 'x'\nderived = 'y'", "collectors.portal.derived", "known: "),
        ("", "collectors.portal.path is missing", "it has no default"),
        ("path = 'x'\ntoken = 'env:TOKEN'", "environment variable TOKEN is not set", "set TOKEN"),
        ("path = 'x'\ntoken = 'file:none'", "collectors.portal.token: cannot read etc/none", "check the path"),
        ("path = 'x'\ntoken = 'correct-horse'", "collectors.portal.token: a secret must be a reference", "env:NAME"),
        ("path = 'x'\ntoken = 7", "collectors.portal.token must be a reference", "env:NAME"),
        ("path = 'x'\npage_size = '50'", "collectors.portal.page_size must be of type int", ""),
        ("path = 'x'\npage_size = true", "collectors.portal.page_size must be of type int", ""),
        ("path = 'x'\npage_size = 1.5", "collectors.portal.page_size must be of type int", ""),
        ("path = 'x'\ntimeout_s = true", "collectors.portal.timeout_s must be of type float", ""),
        ("path = 'x'\nstrict = 1", "collectors.portal.strict must be of type bool", ""),
        ("path = 'x'\nfiles = [{ tabel = 'x' }]", "unknown key", "did you mean 'table'?"),
        ("path = 'x'\nfiles = [{}]", "collectors.portal.files[0].table is missing", ""),
        ("path = 'x'\nfiles = ['x']", "collectors.portal.files[0] must be a table", ""),
    ],
)
def test_a_wrong_setting_is_refused_with_its_key(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(text)
    assert message in caught.value.message
    assert "etc/nhiscan.toml" in caught.value.message
    assert hint in caught.value.hint


def test_a_secret_given_as_value_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        build("path = 'x'\ntoken = 'correct-horse'")
    assert "correct-horse" not in caught.value.message + caught.value.hint


def test_settings_with_a_secret_do_not_show_it() -> None:
    assert "correct-horse" not in repr(build("path = 'x'\ntoken = 'env:T'", environ={"T": "correct-horse"}))


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("MONTBLANC integration", "did you mean 'Montblanc Integrations'?"),
        ("montblanc", "did you mean 'Montblanc Integrations'?"),
        ("", "known: Kestrel, Montblanc Integrations"),
        ("vault", "known: Kestrel, Montblanc Integrations"),
    ],
)
def test_the_nearest_word_is_found_in_any_case_and_by_a_part(word: str, hint: str) -> None:
    assert config.nearest(word, ["Montblanc Integrations", "Kestrel"]) == hint


def test_a_tenant_may_stand_without_an_environment_and_case_does_not_matter() -> None:
    assert parse(COMPANY + "tenants = { 'vault:a' = '', 'vault:b' = ' Prod' }").company.tenants["vault:a"] == ""


def test_a_byte_order_mark_of_windows_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "nhiscan.toml"
    file.write_bytes(b"\xef\xbb\xbf" + COMPANY.encode())
    assert config.read(file).company.name == "Acme"


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.read(tmp_path)
    assert (caught.value.message, caught.value.hint) == (
        f"{tmp_path}: Is a directory",
        "give the path of a settings file",
    )


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.read(tmp_path / "nhiscan.toml")
    assert caught.value.message == f"{tmp_path / 'nhiscan.toml'} does not exist"
    assert "nhiscan init" in caught.value.hint


@pytest.mark.parametrize("data", [b"[company\n", b"a = \n", b"\xff\xfe", b"[a]\n[a]\n", b"a = " + b"[" * 9999])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "nhiscan.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        config.read(file)
    assert caught.value.message.startswith(f"{file}: ")


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        config.read(tmp_path)


@pytest.mark.parametrize(
    ("word", "hint"), [("statee", "did you mean 'state'?"), ("zzz", "known: collectors, company, state")]
)
def test_the_hint_names_the_nearest_word_else_all(word: str, hint: str) -> None:
    known: list[Any] = ["state", "company", "collectors"]
    assert config.nearest(word, known) == hint


def test_a_hint_of_very_many_words_names_some_and_their_number() -> None:
    hint = config.nearest("zzz", [f"P-{number:04}" for number in range(1000)])
    assert hint == "known: " + ", ".join(f"P-{number:04}" for number in range(60)) + " and 940 more"
