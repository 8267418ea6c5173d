from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from nhiscan.resolve import aws_conditions
from nhiscan.resolve.aws_actions import catalogue
from nhiscan.resolve.aws_conditions import Context, Truth
from nhiscan.resolve.aws_policy import parse

KEY = "aws:UserAgent"


def met(block: Mapping[str, object], context: Context, *, version: str = "2012-10-17") -> Truth:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": block}
    document = parse(json.dumps({"Version": version, "Statement": [statement]}), catalogue())
    (read,) = document.statements
    known, rest = context.known, () if context.is_complete else None
    tests = [aws_conditions.test(condition, has_variables=document.has_variables) for condition in read.conditions]
    return aws_conditions.all_met(tests, lambda key: known.get(key, rest))


def of(*values: str, key: str = KEY) -> Context:
    return Context({key: values}, is_complete=True)


NOWHERE = Context(is_complete=True)


@pytest.mark.parametrize(
    ("operator", "written", "value", "expected"),
    [
        ("StringEquals", "red", "red", True),
        ("StringEquals", "red", "Red", False),
        ("StringEquals", ["red", "blue"], "blue", True),
        ("StringNotEquals", ["red", "blue"], "blue", False),
        ("StringNotEquals", ["red", "blue"], "green", True),
        ("StringEqualsIgnoreCase", "RED", "red", True),
        ("StringNotEqualsIgnoreCase", "RED", "red", False),
        ("StringLike", "dev-*", "dev-eu", True),
        ("StringLike", "dev-?", "dev-eu", False),
        ("StringLike", "${*}-eu", "dev-eu", False),
        ("StringLike", "${*}-eu", "*-eu", True),
        ("StringNotLike", "dev-*", "dev-eu", False),
        ("NumericEquals", "30", "30.0", True),
        ("NumericNotEquals", 30, "31", True),
        ("NumericLessThan", "30", "30", False),
        ("NumericLessThanEquals", "30", "30", True),
        ("NumericGreaterThan", "29.5", "30", True),
        ("NumericGreaterThanEquals", "30", "no number", False),
        ("DateEquals", "2026-03-01T08:00:00+02:00", "2026-03-01T06:00:00Z", True),
        ("DateNotEquals", "2026-03-01", "2026-03-02", True),
        ("DateLessThan", "1772345600", "2026-01-31T00:00:00Z", True),
        ("DateLessThanEquals", "2026-01", "2026-01-01T00:00:00Z", True),
        ("DateGreaterThan", "2026-01-31T00:00:00Z", "1772345600", True),
        ("DateGreaterThanEquals", "2026-01-31T00:00:00Z", "some day", False),
        ("Bool", True, "true", True),
        ("Bool", "false", "true", False),
        ("BinaryEquals", "cmVk", "cmVk", True),
        ("BinaryEquals", "cmVk", "not base64", False),
        ("IpAddress", "203.0.113.0/24", "203.0.113.7", True),
        ("IpAddress", "203.0.113.7/24", "203.0.113.9", True),
        ("IpAddress", "2001:db8::/32", "2001:DB8::1", True),
        ("IpAddress", "2001:db8::/32", "203.0.113.7", False),
        ("NotIpAddress", "203.0.113.0/24", "203.0.113.7", False),
        ("NotIpAddress", "203.0.113.0/24", "2001:db8::1", True),
        ("ArnEquals", "arn:aws:sns:*:111111111111:news", "arn:aws:sns:eu-west-1:111111111111:news", True),
        ("ArnLike", "arn:aws:sns:*:news", "arn:aws:sns:eu-west-1:111111111111:news", False),
        ("ArnNotLike", "arn:aws:sns:*:111111111111:*", "arn:aws:sns:eu-west-1:111111111111:news", False),
        ("ArnNotEquals", "arn:aws:sns:*:111111111111:*", "arn:aws:sns:eu-west-1:222222222222:news", True),
        ("Null", "true", "red", False),
        ("Null", "false", "red", True),
    ],
)
def test_an_operator_compares_as_aws_does(operator: str, written: object, value: str, expected: bool) -> None:
    assert met({operator: {KEY: written}}, of(value)) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringEqualsIfExists", True),
        ("NumericLessThan", False),
        ("Bool", False),
        ("BoolIfExists", True),
        ("NotIpAddress", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringNotEquals", False),
    ],
)
def test_a_key_that_is_not_in_the_request(operator: str, expected: bool) -> None:
    assert met({operator: {KEY: "1"}}, NOWHERE) is expected


def test_null_asks_whether_the_key_is_there() -> None:
    assert met({"Null": {KEY: "true"}}, NOWHERE) is True
    assert met({"Null": {KEY: "false"}}, NOWHERE) is False


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("ForAllValues:StringEquals", ("team", "cost"), True),
        ("ForAllValues:StringEquals", ("team", "stage"), False),
        ("ForAnyValue:StringEquals", ("stage", "cost"), True),
        ("ForAnyValue:StringEquals", ("stage",), False),
        ("ForAllValues:StringNotEquals", ("stage", "team"), False),
        ("ForAnyValue:StringNotEquals", ("stage", "team"), True),
        ("ForAnyValue:StringNotEquals", ("cost", "team"), False),
    ],
)
def test_set_operators_look_at_every_value(operator: str, values: tuple[str, ...], expected: bool) -> None:
    assert met({operator: {"aws:TagKeys": ["team", "cost"]}}, of(*values, key="aws:TagKeys")) is expected


@pytest.mark.parametrize("operator", ["StringEquals", "StringEqualsIfExists", "Null", "ForAllValues:StringLike"])
def test_a_key_that_nobody_knows_leaves_it_open(operator: str) -> None:
    assert met({operator: {KEY: "true"}}, Context()) == frozenset({"aws:useragent"})


def test_what_is_not_met_decides_whatever_else_is_unknown() -> None:
    block = {"StringEquals": {KEY: "red"}, "Bool": {"aws:SecureTransport": "true"}}
    assert met(block, Context({"aws:SecureTransport": ("false",)})) is False
    assert met(block, Context({"aws:SecureTransport": ("true",)})) == frozenset({"aws:useragent"})
    assert met(block, Context()) == frozenset({"aws:useragent", "aws:securetransport"})


def test_a_key_that_is_known_to_be_absent_is_not_unknown() -> None:
    assert met({"StringEquals": {KEY: "red"}}, Context(absent=frozenset({KEY}))) is False


@pytest.mark.parametrize(
    ("written", "team", "expected"),
    [
        ("${aws:PrincipalTag/team}", ("red",), True),
        ("${AWS:principaltag/Team}", ("red",), True),
        ("${aws:PrincipalTag/team}", (), False),
        ("${aws:PrincipalTag/team, 'red'}", (), True),
        ("${aws:PrincipalTag/team, 'blue'}", ("red",), True),
        (["${aws:PrincipalTag/team}", "red"], (), True),
        ("${aws:PrincipalTag/team}", None, frozenset({"aws:principaltag/team"})),
        (["${aws:PrincipalTag/team}", "red"], None, True),
    ],
)
def test_a_variable_stands_for_what_the_request_has(
    written: object, team: tuple[str, ...] | None, expected: Truth
) -> None:
    values: dict[str, tuple[str, ...]] = {KEY: ("red",)} | ({} if team is None else {"aws:PrincipalTag/team": team})
    assert met({"StringEquals": {KEY: written}}, Context(values)) == expected


def test_not_equal_to_a_variable_without_a_value_is_not_met() -> None:
    assert met({"StringNotEquals": {KEY: "${aws:PrincipalTag/team}"}}, of("red")) is False


def test_a_star_in_the_value_of_a_variable_is_no_wildcard() -> None:
    context = Context({KEY: ("red",), "aws:PrincipalTag/team": ("*",)}, is_complete=True)
    assert met({"StringLike": {KEY: "${aws:PrincipalTag/team}"}}, context) is False


def test_the_version_of_2008_knows_no_variables() -> None:
    block = {"StringEquals": {KEY: "${aws:PrincipalTag/team}"}}
    context = Context({KEY: ("red",), "aws:PrincipalTag/team": ("red",)}, is_complete=True)
    assert met(block, context) is True
    assert met(block, context, version="2008-10-17") is False


def test_an_operator_that_nobody_knows_leaves_it_open() -> None:
    assert met({"StringResembles": {KEY: "red"}}, of("red")) == frozenset({"aws:useragent"})
