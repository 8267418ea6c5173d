from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nhiscan import collect, config
from nhiscan.errors import ConfigError


def _made(*places: dict[str, Any]) -> Any:
    return config.build(
        collect.load("files"), {"places": list(places)}, where="collectors.files.", base=Path("/srv"), environ={}
    )


_PLACE = {"name": "portal", "path": "mirrors/portal.git", "kind": "repository"}


def test_a_relative_path_starts_where_the_settings_are() -> None:
    assert str(_made(_PLACE).places[0].path) == "/srv/mirrors/portal.git"


@pytest.mark.parametrize("key", ["name", "path", "kind"])
def test_what_a_place_needs_is_named(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"places\[0\]\.{key} is missing"):
        _made({name: value for name, value in _PLACE.items() if name != key})


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"kind": "repo"}, "'portal' has the unknown kind 'repo'", "did you mean 'repository'?"),
        ({"audience": "publik"}, "'portal' has the unknown audience 'publik'", "did you mean 'public'?"),
        ({"environment": "prd"}, "'portal' has the unknown environment 'prd'", "did you mean 'prod'?"),
        ({"name": "a:b"}, "'a:b' is no name for a place", "use letters"),
        ({"name": "a\nb"}, r"'a\nb' is no name for a place", "use letters"),
        ({"kind": "folder", "branch": "main"}, "'portal' has a branch and is no repository", "leave branch out"),
    ],
)
def test_a_place_that_cannot_be_is_refused(change: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        _made({**_PLACE, **change})
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_two_places_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 places are called 'portal'"):
        _made(_PLACE, {**_PLACE, "path": "elsewhere"})


def test_an_unknown_setting_of_a_place_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as raised:
        _made({**_PLACE, "audiense": "public"})
    assert raised.value.hint == "did you mean 'audience'?"
