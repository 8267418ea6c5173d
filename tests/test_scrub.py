"""What a recorded answer looks like after its secrets are taken out, in each of the forms that providers use."""

from __future__ import annotations

import base64
import gzip
import json
import random
import string
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import pytest

from nhiscan import detect
from nhiscan.model import Where
from nhiscan.scrub import Scrubber

VALUE = "".join(random.Random(11).choices(string.ascii_letters + string.digits, k=24))
SCRIPT = f"#!/bin/sh\nexport DB_PASSWORD='{VALUE}'\nstart --region eu-central-1\n"
ENCODED = base64.b64encode(SCRIPT.encode()).decode()


def where(name: str | None, kind: str = "environment") -> Where:
    return Where("aws", "aws:111111111111", kind, "function orders", name)


def scrubbed(body: bytes, *texts: tuple[str, str | None], kind: str = "environment") -> bytes:
    scrubber = Scrubber()
    for text, name in texts:
        scrubber.add_text(text, where(name, kind))
    scrubber.study([body])
    clean = scrubber.body(body)
    assert not scrubber.is_left_in(clean.decode("utf-8", "replace"))
    return clean


def kinds(text: str, name: str | None = None) -> list[str]:
    return [found.kind for found in detect.find(text, name)]


def test_user_data_in_xml_keeps_its_lines_its_region_and_the_name_of_its_secret() -> None:
    body = f'<Answer xmlns="urn:ec2"><userData><value>{ENCODED}</value></userData></Answer>'.encode()
    (value,) = ElementTree.fromstring(scrubbed(body, (SCRIPT, None))).iter("{urn:ec2}value")
    text = base64.b64decode(value.text or "").decode()
    assert VALUE not in text
    assert kinds(text) == kinds(SCRIPT) == ["named_secret"]
    lines = text.split("\n")
    assert (lines[0], lines[2]) == ("#!/xxx/xx", "xxxxx --xxxxxx eu-central-1")
    assert lines[1].startswith("xxxxxx DB_PASSWORD='")


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"log": f"token {VALUE} refused"}),
        json.dumps({"packed": base64.b64encode(gzip.compress(SCRIPT.encode())).decode()}),
        json.dumps({"document": quote(json.dumps({"Value": VALUE}))}),
        json.dumps({"inner": json.dumps({"innermost": json.dumps([VALUE])})}),
        json.dumps({f"name with {VALUE}": 1}),
        f"<a><b>x &amp; {VALUE}</b></a>",
        f"<a><broken {VALUE}",
        f"plain {VALUE}\n",
        "[" * 700 + json.dumps(VALUE) + "]" * 700,
        "<a>" * 2000 + VALUE + "</a>" * 2000,
        json.dumps({"lone": "\ud800%41", "value": VALUE}),
    ],
)
def test_a_secret_goes_wherever_it_stands_and_whatever_it_is_packed_in(body: str) -> None:
    clean = scrubbed(body.encode(), (VALUE, "DB_PASSWORD"))
    assert clean != body.encode()
    assert VALUE.encode() not in clean
    assert VALUE not in unquote(clean.decode())


def test_an_answer_without_secrets_is_left_as_it_is_to_the_byte() -> None:
    for body in (b'{"a" :  1.50, "b": "\\u00e9"}', b"<a  x='1'><!-- c --><b/></a>", b"\xff\xfe", b""):
        assert scrubbed(body, ("prod", "STAGE")) == body


def test_a_short_value_is_blanked_under_its_name_only() -> None:
    body = {"variables": {"STAGE": "prod"}, "name": "prod", "list": [{"name": "STAGE", "value": "prod"}]}
    assert json.loads(scrubbed(json.dumps(body).encode(), ("prod", "STAGE"))) == {
        "variables": {"STAGE": "xxxx"},
        "name": "prod",
        "list": [{"name": "STAGE", "value": "xxxx"}],
    }


def test_a_label_stays_readable_and_loses_only_its_secret() -> None:
    body = json.dumps({"tags": [{"key": "note", "value": f"password={VALUE} of Nordwind"}]}).encode()
    text = json.loads(scrubbed(body, (f"password={VALUE} of Nordwind", "note"), kind="tag"))["tags"][0]["value"]
    assert text.startswith("password=")
    assert text.endswith(" of Nordwind")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "${DB_PASSWORD}"),
        ("API_KEY", "changeme"),
        ("TOKEN", "acme/prod/db"),
        ("SECRET_ARN", "arn:aws:secretsmanager:eu-central-1:111111111111:secret:db"),
        ("PASSWORD", ""),
        ("API_KEY", "a" * 2000),
        ("NOTE", "'\"<b>\x00\x1b[31m\n</b>"),
    ],
)
def test_what_was_no_secret_is_none_afterwards(name: str, value: str) -> None:
    assert kinds(value, name) == []
    clean = json.loads(scrubbed(json.dumps({name: value}).encode(), (value, name)))
    assert kinds(clean[name], name) == []


def test_a_token_that_nobody_searched_is_taken_out_too() -> None:
    token = "gl" + "pat-" + VALUE[:20]
    assert token.encode() not in scrubbed(json.dumps({"description": f"rotate {token} soon"}).encode())
