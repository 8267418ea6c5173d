"""Paging and bounds of the calls, where a provider misbehaves in ways that no stand-in offers."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ReadTimeoutError
from botocore.parsers import ResponseParserError

fetch = importlib.import_module("nhiscan.collectors.aws.fetch")


def client(pages: list[Any]) -> Any:
    """An IAM client whose ListUsers gives these pages one after the other; an exception is raised."""
    rest = list(pages)

    def list_users(**_: object) -> Any:
        page = rest.pop(0)
        if isinstance(page, Exception):
            raise page
        return page

    meta = SimpleNamespace(service_model=SimpleNamespace(service_name="iam"))
    return SimpleNamespace(meta=meta, list_users=list_users)


def more(marker: str | None) -> dict[str, Any]:
    return {"Users": [{}], "IsTruncated": True} | ({"Marker": marker} if marker else {})


def test_more_without_a_marker_is_a_failure() -> None:
    found = fetch.read_pages(client([more(None)]), "ListUsers")
    assert (len(found.pages), found.refusal.status) == (1, "failed")


def test_a_marker_that_comes_again_ends_the_paging_as_a_failure() -> None:
    found = fetch.read_pages(client([more("a"), more("b"), more("a")]), "ListUsers")
    assert (len(found.pages), found.refusal.reason) == (3, "said that there is more but gave no new marker")


def test_endless_pages_are_truncated(monkeypatch: Any) -> None:
    monkeypatch.setattr(fetch, "_MOST_PAGES", 3)
    found = fetch.read_pages(client([more(str(number)) for number in range(9)]), "ListUsers")
    assert (len(found.pages), found.refusal.status) == (3, "truncated")


def test_a_timeout_after_the_first_page_keeps_the_first_page() -> None:
    found = fetch.read_pages(client([more("a"), ReadTimeoutError(endpoint_url="http://127.0.0.1:9")]), "ListUsers")
    assert (len(found.items("Users")), found.refusal.status) == (1, "failed")


def test_an_answer_that_is_not_awss_is_not_quoted() -> None:
    found = fetch.read_pages(client([ResponseParserError("b'<html>anything'")]), "ListUsers")
    assert found.refusal.reason == "the answer is not in AWS's format (ResponseParserError)"


def test_answers_keep_the_order_of_the_questions() -> None:
    names = [f"u{number}" for number in range(100)]
    assert list(fetch.ask_each(names, str.upper, count=lambda n: None)) == names


def test_one_answer_in_a_batch_keeps_the_questions_coming() -> None:
    refusal = fetch.Refusal("denied", "iam:X", "no")
    asked: list[int] = []

    def question(number: int) -> Any:
        asked.append(number)
        return "yes" if number == 31 else refusal

    fetch.ask_each(range(64), question, count=lambda n: None)
    assert sorted(asked) == list(range(64))


def test_a_batch_without_any_answer_is_the_last_one_asked() -> None:
    refusal = fetch.Refusal("denied", "iam:X", "no")
    answers = fetch.ask_each(range(100), lambda number: refusal, count=lambda n: None)
    assert list(answers.values()) == [refusal] * 100
