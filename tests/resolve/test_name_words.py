from __future__ import annotations

import pytest

from nhiscan.model import Identity
from nhiscan.resolve import contracts, facts, name_words, owners, partners
from tests.resolve.register_estate import NORDWIND, domain, rows, scan, tenant


def _words(name: str, mail: str | None = None) -> set[tuple[str, str, int]]:
    user = Identity(f"{tenant()}:user/1", "aws", tenant(), "human_user", name, "1", False, mail=mail)
    con = scan(NORDWIND, domain("P-1", "nordwind.example", exclusive=True), user)
    for stage in (partners, owners, contracts, facts, name_words):
        stage.run(con)
    return set(rows(con, "select source, word, words from name_words"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Sales Team", {"sales", "team"}),
        ("sales_team-01", {"sales", "team"}),
        ("salesTeam", {"sales", "team"}),
        ("Nordwind GmbH Integration", {"integration"}),
        ("acme.api", {"api"}),
        ("Büro", {"buro"}),
        ("4711", set()),
    ],
)
def test_a_name_is_split_and_loses_what_its_partner_and_we_are_called(name: str, words: set[str]) -> None:
    found = _words(name, "x@nordwind.example")
    assert {word for source, word, _ in found if source == "name"} == words
    assert {count for source, _, count in found if source == "name"} == ({len(words)} if words else set())


def test_of_a_mail_address_only_the_part_before_the_at_counts() -> None:
    found = _words("Anna Weber", "partner.team@nordwind.example")
    assert {word for source, word, _ in found if source == "mail"} == {"partner", "team"}
