"""What the report says, read from its HTML as a program reads it."""

from __future__ import annotations

import itertools
import re
import shlex
from html.parser import HTMLParser

import pytest

from nhiscan import printable, report
from nhiscan.errors import NhiscanError
from tests.report.estate import AS_OF, AWS, HOSTILE, MADE, cover, hostile, insert, large, partner, small

VOID = {"meta", "br", "img", "rect", "path", "circle", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; an unclosed element is an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.words.append(" " if tag in ("td", "th", "dt", "dd") else "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, name: str) -> list[str]:
        return [value for _, attributes in self.elements for key, value in attributes.items() if key == name and value]

    def tags(self, *names: str) -> list[str]:
        return [tag for tag, _ in self.elements if tag in names]


def paint(con: object, **choice: object) -> str:
    return report.render(con, generated_at=MADE, **choice)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plain() -> str:
    return paint(small())


@pytest.fixture(scope="module")
def nasty() -> str:
    return paint(hostile())


def section(html: str, name: str) -> str:
    start = html.index(f'<section id="{name}"')
    return Page(html[start : html.index("</section>", start) + len("</section>")]).text


def test_same_scan_gives_the_same_bytes(plain: str) -> None:
    assert paint(small()) == plain


def test_what_was_scanned_comes_before_anything_else(plain: str) -> None:
    order = re.findall(r'<section id="(\w+)"', plain)
    answers = ["scanned", "summary", "scorecard", "owasp", "cases", "lifecycle", "held", "programme", "unknowns"]
    assert order == [*answers, "appendix"]


def test_an_incomplete_scan_says_so_first_and_names_what_is_missing() -> None:
    told = section(paint(small(complete=False)), "scanned")
    assert told.index("Incomplete scan") < 60
    assert "trusts failed (the provider answered 500)" in told
    assert "needs iam:ListMFADevices" in told


def test_a_failed_dataset_is_incomplete_even_where_the_scan_was_not_marked() -> None:
    con = small()
    con.execute("update coverage set status = 'failed' where dataset = 'trusts'")
    assert "Incomplete scan" in section(paint(con), "scanned")


def test_carried_tenants_are_named_with_the_day_they_were_read_and_are_no_gap() -> None:
    con = small()
    con.execute("update coverage set status = 'carried', collected_at = '2026-01-10' where tenant_id = ?", [AWS])
    text = Page(paint(con)).text
    assert f"Carried over from an earlier scan: {AWS}, read 2026-01-10" in text
    assert "nothing there counts as mended or as clean" in text
    assert "Incomplete scan" not in text
    assert "Every source answered." not in text


def test_no_word_of_carrying_where_everything_was_read() -> None:
    text = Page(paint(small())).text
    assert "Carried over" not in text
    assert "Every source answered." in text


def test_values_that_were_read_for_fingerprints_are_not_denied() -> None:
    con = small()
    assert "Values of secrets in stores were not read" in Page(paint(con)).text
    cover(con, "vault:main", "stored_secrets.fingerprints")
    text = Page(paint(con)).text
    assert "Values of secrets in stores were not read" not in text
    assert "read only in the mounts that were chosen" in text


def test_policies_of_the_organisation_that_were_not_read_are_said_to_soften_nothing() -> None:
    con = small()
    cover(con, AWS, "scps")
    assert "not read for 1 AWS account. They can only take rights away" in Page(paint(con)).text
    con.execute("update coverage set status = 'complete' where dataset = 'scps'")
    assert "They can only take rights away" not in Page(paint(con)).text


def test_a_scan_without_coverage_is_no_complete_one() -> None:
    con = small()
    con.execute("delete from coverage")
    assert "Incomplete scan" in section(paint(con), "scanned")


def test_the_register_intake_and_its_quarantine_are_counted(plain: str) -> None:
    told = section(plain, "scanned")
    assert "183 of 200 accepted" in told
    assert "Quarantine: 1 register cell" in told
    assert "sehr hoch" in told


def test_unread_service_control_policies_are_a_stated_limit(plain: str) -> None:
    assert "Service control policies (SCPs) were not read for 2 AWS accounts" in section(plain, "scanned")


def test_service_control_policies_that_were_read_are_no_limit() -> None:
    con = small()
    con.execute("update coverage set status = 'complete' where dataset = 'scps'")
    assert "SCPs" not in section(paint(con), "scanned")


def test_the_summary_has_three_sentences_and_four_numbers(plain: str) -> None:
    start = plain.index('<div class="lead">')
    lead = plain[start : plain.index("</div>", start)]
    assert lead.count("<p>") == 3
    numbers = plain[plain.index('<dl class="numbers">') :]
    assert numbers[: numbers.index("</dl>")].count("<dt>") == 4
    assert "1 partner whose contract has ended can still come in, through 1 identity" in section(plain, "summary")


def test_the_first_page_shows_at_most_25_cases_and_says_how_many_more() -> None:
    con = large(60)
    con.execute("update cases set severity = 'critical', lead_rule_id = 'priv-admin-equivalent'")
    con.execute("update findings set rule_id = 'priv-admin-equivalent', partner_id = null where outcome = 'fail'")
    con.execute("update cases set partner_id = null")
    html = paint(con)
    assert html[html.index('id="summary"') : html.index('id="scorecard"')].count("<li>") == 25
    assert "and 38 more of this kind" in section(html, "summary")


def test_one_partner_does_not_fill_the_first_page() -> None:
    con = large(60)
    con.execute("update findings set rule_id = 'priv-admin-equivalent' where outcome = 'fail'")
    html = paint(con)
    first = html[html.index('id="summary"') : html.index('id="scorecard"')]
    assert first.count('<span class="who"><bdi>Borealis') == 5


def test_a_later_scan_shows_new_cases_first() -> None:
    con = small(baseline=False)
    con.execute("update cases set is_new = case_id = 's1'")
    told = section(paint(con), "summary")
    assert told.index("New since the scan before") < told.index("shared-import") < told.index("kontor-sync")


def test_a_partners_score_is_the_roll_up_of_its_cases() -> None:
    cards = {row["partner_id"]: row for row in report.summary(small())["partners"]}
    # worst 78, one other of 66: 78 + 5 x log2(1.66)
    assert cards["P-200"]["score"] == 82
    assert cards["P-400"]["score"] is None


@pytest.mark.parametrize(("scores", "expected"), [([62], 62), ([62, 55, 50, 41], 68), ([62, *[45] * 30], 81)])
def test_the_roll_up_follows_the_documented_examples(scores: list[float], expected: int) -> None:
    assert round(report.rollup(sum(scores), max(scores))) == expected


def test_not_assessed_is_not_zero() -> None:
    cells = {
        (risk["risk"], cell["provider"]): cell for risk in report.summary(small())["owasp"] for cell in risk["cells"]
    }
    assert cells["NHI1:2025", "aws"]["failed"] == 1
    assert cells["NHI2:2025", "aws"] == {
        "provider": "aws",
        "state": "not_assessed",
        "failed": None,
        "unknown": 0,
        "reason": "no rule",
    }
    assert cells["NHI1:2025", "partners"]["reason"] == "not in register"


def test_a_risk_that_was_judged_without_a_fail_is_zero() -> None:
    con = small()
    con.execute("delete from findings where rule_id = 'life-key-age-exceeded'")
    cells = {(risk["risk"], cell["provider"]): cell for risk in report.summary(con)["owasp"] for cell in risk["cells"]}
    assert (cells["NHI7:2025", "aws"]["state"], cells["NHI7:2025", "aws"]["failed"]) == ("assessed", 0)


def test_a_risk_of_which_all_is_unknown_is_not_assessed() -> None:
    con = small()
    con.execute("delete from findings where rule_id = 'reuse-role-multi-partner-trust'")
    cells = {(risk["risk"], cell["provider"]): cell for risk in report.summary(con)["owasp"] for cell in risk["cells"]}
    assert cells["NHI9:2025", "aws"]["reason"] == "all unknown"


def test_a_case_tells_what_an_expert_needs(plain: str) -> None:
    told = section(plain, "cases")
    for needed in (
        "What to do. Disable the identity",
        "Would refute it: a contract in force that covers this tenant",
        "version 5e1f0c2a with max_age_days = 90",
        "aws iam get-user --user-name kontor-sync",
        "access key is 820 days old",
        "GetAccessKeyLastUsed, to the hour",
        "name looks like Kontor",
        "Allow * on *",
    ):
        assert needed in told


def test_evidence_of_the_lead_is_not_said_twice() -> None:
    con = small()
    insert(con, "finding_evidence", {"finding_id": "f2", "seq": 2, "label": "created", "value": "2023-11-03"})
    told = section(paint(con), "cases")
    kontor = told[told.index("kontor-sync") : told.index("borealis-deploy")]
    assert kontor.count("2026-01-25 09:00 UTC by GetAccessKeyLastUsed") == 1
    assert "2023-11-03" in kontor


def test_accepted_cases_are_counted_apart() -> None:
    con = small()
    con.execute("update cases set status = 'accepted' where case_id = 'b1'")
    con.execute("update findings set status = 'accepted', acceptance_id = 'A-1' where finding_id = 'f3'")
    insert(
        con,
        "acceptances",
        {"acceptance_id": "A-1", "rule_id": "priv-admin-equivalent", "reason": "migration until May"},
    )
    html = paint(con)
    assert "1 more accepted" in section(html, "summary")
    assert "borealis-deploy" not in section(html, "cases")
    assert "migration until May" in section(html, "held")
    assert report.summary(con)["accepted_cases"] == 1


def test_the_partner_page_shows_losing_candidates_and_contract(plain: str) -> None:
    told = section(plain, "held")
    assert "Kontor lost operator name looks like Kontor" in told
    assert "C-P-100 ended 2025-10-31" in told
    assert "1 more partner in the register" in told


def test_identities_without_a_partner_have_their_place(plain: str) -> None:
    told = section(plain, "held")
    assert "nobody-knows" in told[told.index("nobody could be named for") :]


def test_unknowns_are_grouped_by_rule_and_dataset(plain: str) -> None:
    told = section(plain, "unknowns")
    assert "2 questions without an answer" in told
    assert "not covered: scps" in told
    assert "depends on a condition" in told
    assert "gov-business-owner-missing: 0 of 4 declared" in told


def test_no_open_case_is_no_all_clear_while_something_is_unknown() -> None:
    con = small()
    con.execute("delete from cases")
    assert "That is no all-clear" in section(paint(con), "cases")


def test_a_long_list_is_cut_aloud_and_counts_stay_whole() -> None:
    html = paint(large(600))
    assert "Only 500 of 603 open cases are shown in detail" in section(html, "cases")
    assert "nhiscan cases --json" in section(html, "cases")
    assert html.count('<details class="case"') == 500
    assert "603 cases are open" in section(html, "summary")
    assert len(html) < 5_000_000


def test_an_empty_scan_still_makes_a_report() -> None:
    con = small()
    for (table,) in con.execute("select table_name from duckdb_tables()").fetchall():
        if table != "scans":
            con.execute(f"delete from {table}")
    html = paint(con)
    assert "Incomplete scan" in html
    assert "No open case." in html


# What the page must never do


def test_the_policy_forbids_everything_but_the_one_style(plain: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', plain)
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; img-src data:;"
        r" base-uri 'none'; form-action 'none'",
        policy,
    )


@pytest.mark.parametrize("which", ["plain", "nasty"])
def test_there_is_no_script_no_style_attribute_and_no_address(which: str, request: pytest.FixtureRequest) -> None:
    page = Page(request.getfixturevalue(which))
    assert page.tags("script", "img", "link", "iframe", "object", "embed", "form", "base", "input") == []
    assert page.all("style") == []
    assert [key for _, attributes in page.elements for key in attributes if key.startswith("on")] == []
    assert page.all("src") == []
    assert all(re.fullmatch(r"#[a-z0-9-]+", target) for target in page.all("href"))


def test_every_link_leads_to_a_place_on_the_page(nasty: str) -> None:
    page = Page(nasty)
    places = page.all("id")
    assert len(places) == len(set(places))
    assert {target[1:] for target in page.all("href")} <= set(places)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_shown_whole_and_harmless(text: str, nasty: str) -> None:
    shown = "".join(part for _, part in printable.pieces(text))
    assert re.sub(r"\s+", " ", shown) in Page(nasty).text


def test_no_invisible_or_reordering_character_reaches_the_page(nasty: str) -> None:
    left = {char for char in nasty if printable.is_unseen(char)} - {"\n", "\u202f"}
    assert left == set()


def test_a_long_name_is_cut_where_it_is_a_heading(nasty: str) -> None:
    heading = max(re.findall(r"<h[1-6][^>]*>.*?</h[1-6]>", nasty), key=len)
    assert len(heading) < 2000
    assert "… (10000 characters)" in Page(nasty).text


@pytest.mark.parametrize("word", ["x; rm -rf /", "$(id)", "a'b", '"q"', "--option", "sp ace", "ünïcode"])
def test_a_command_is_one_line_that_a_shell_reads_back(word: str) -> None:
    line = printable.command("aws", "iam", "get-user", "--user-name", word)
    assert line is not None
    assert shlex.split(line) == ["aws", "iam", "get-user", "--user-name", word]


@pytest.mark.parametrize("word", ["a\nb", "a\u202eb", "a\x1b[2Jb", "a\u200bb"])
def test_a_command_is_refused_for_what_a_terminal_would_not_show(word: str) -> None:
    assert printable.command("aws", word) is None


def test_the_page_is_built_for_assistive_tools(nasty: str) -> None:
    page = Page(nasty)
    assert ("html", {"lang": "en"}) in page.elements
    assert page.tags("h1") == ["h1"]
    assert page.tags("main", "nav", "header", "footer") == ["header", "nav", "main", "footer"]
    assert page.all("href")[0] == "#main"
    levels = [int(tag[1]) for tag in page.tags("h1", "h2", "h3", "h4", "h5", "h6")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    heads = [attributes for tag, attributes in page.elements if tag == "th"]
    assert all(attributes.get("scope") in ("row", "col") for attributes in heads)
    regions = [attributes for _, attributes in page.elements if attributes.get("role") == "region"]
    assert all(attributes.get("tabindex") == "0" and attributes.get("aria-label") for attributes in regions)
    assert page.tags("table").count("table") == page.tags("caption").count("caption")
    drawings = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert all(attributes.get("aria-hidden") == "true" for attributes in drawings)


def test_an_unknown_partner_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(NhiscanError) as error:
        paint(small(), partner="Borealiss")
    assert "Borealis" in error.value.hint


def test_a_name_that_two_partners_bear_asks_for_the_id() -> None:
    con = small()
    partner(con, "P-201", "Borealis")
    with pytest.raises(NhiscanError) as error:
        paint(con, partner="Borealis")
    assert "P-200, P-201" in error.value.hint


def test_an_unknown_owner_is_answered_with_the_nearest_address() -> None:
    with pytest.raises(NhiscanError) as error:
        paint(small(), owner="lee@acme.example")
    assert "lea@acme.example" in error.value.hint


def test_partner_and_owner_at_once_is_refused() -> None:
    with pytest.raises(NhiscanError):
        paint(small(), partner="Borealis", owner="lea@acme.example")


def test_times_are_said_in_utc() -> None:
    assert printable.moment(AS_OF) == "2026-01-31 02:00 UTC"


def test_an_app_of_a_crm_tells_as_whom_it_acts_and_which_records_it_reaches() -> None:
    con = small()
    app = {"identity_key": 1, "scopes": "full, refresh_token", "gives": "all", "tokens": 3, "token_users": 2}
    insert(con, "app_facts", {**app, "external_users": 1, "partner_names": "Borealis, Kontor", "token_use_known": True})
    insert(con, "data_objects", {"resource_key": 7, "object": "Opportunity", "records": 900})
    reached = {
        "identity_key": 1,
        "resource_key": 7,
        "can_read": True,
        "record_scope": "own",
        "record_scope_high": "all",
    }
    insert(con, "record_access", {**reached, "visible_records": 41, "evidence": "right from profile Partner"})
    told = Page(paint(con)).text
    assert "2 users by 3 live tokens, 1 of them outsiders; partners: Borealis, Kontor" in told
    assert "Its scopes give of their rights all full, refresh_token" in told
    assert "Newest use of a token never" in told
    assert "Opportunity yes not known own all 41 ? right from profile Partner" in told


def test_what_is_no_app_and_reaches_no_records_is_not_said_to(plain: str) -> None:
    assert "live tokens" not in plain
    assert "Which records" not in plain
