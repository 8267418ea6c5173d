"""Paging and bounds of the calls, where a provider misbehaves in ways that no stand-in offers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from nhiscan.errors import CollectError

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


def paging(answers: dict[str | None, Any]) -> Any:
    """A client whose ListSecrets answers by token; an exception is raised."""

    def paginate(**_: object) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = answers[token]
            if isinstance(page, Exception):
                raise page
            yield page
            token = page.get("NextToken")
            if token is None:
                return

    meta = SimpleNamespace(service_model=SimpleNamespace(service_name="secretsmanager"))
    return SimpleNamespace(
        meta=meta, can_paginate=lambda name: True, get_paginator=lambda name: SimpleNamespace(paginate=paginate)
    )


def body(length: int) -> dict[str, Any]:
    return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"content-length": str(length)}}}


GOOD_PAGE = body(99) | {"SecretList": [{"Name": "a"}], "NextToken": "b"}


def test_a_page_that_is_not_json_keeps_the_pages_before_it() -> None:
    found = fetch.read_all(paging({None: GOOD_PAGE, "b": body(40)}), "ListSecrets")
    assert (len(found.items("SecretList")), found.refusal.status) == (1, "failed")


def test_an_empty_answer_is_an_answer() -> None:
    found = fetch.read_all(paging({None: body(2)}), "ListSecrets")
    assert (len(found.pages), found.refusal) == (1, None)


def test_only_the_first_regions_word_on_the_credential_counts() -> None:
    bad = ClientError({"Error": {"Code": "UnrecognizedClientException", "Message": "no"}}, "ListSecrets")
    found = fetch.read_regions({"eu-west-1": paging({None: body(2)}), "ap-east-1": paging({None: bad})}, "ListSecrets")
    assert (found["eu-west-1"].refusal, found["ap-east-1"].refusal.status) == (None, "failed")
    with pytest.raises(CollectError):
        fetch.read_regions({"ap-east-1": paging({None: bad}), "eu-west-1": paging({None: body(2)})}, "ListSecrets")


def test_what_one_region_refuses_is_still_asked_in_the_next() -> None:
    refusal = fetch.Refusal("denied", "kms:X", "no")
    things = [(region, number) for region in ("eu-west-1", "us-east-1") for number in range(40)]
    answers = fetch.each_in_regions(
        {"eu-west-1": refusal, "us-east-1": "yes"}, things, lambda client, number: client, count=lambda n: None
    )
    assert [answers[region, 39] for region in ("eu-west-1", "us-east-1")] == [refusal, "yes"]


def test_raw_answers_show_nothing_of_themselves() -> None:
    assert "hunter" not in repr(fetch.Pages([{"Variables": {"PASSWORD": "hunter"}}]))
