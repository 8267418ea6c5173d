"""What several mappings share: ids, times, texts of bounds, and what labels say."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nhiscan.model import Tag

NEVER: Final = "0001-01-01T00:00:00Z"  # Go's zero time: the server's word for "no such moment"
_FRACTION: Final = re.compile(r"\.(\d{1,6})\d*")
_WIDEST_NETWORK: Final = {4: 8, 6: 16}  # prefix length; wider ones hold much of the internet

_ENVIRONMENTS: Final = {
    "prod": ("live", "prd", "prod", "production"),
    "staging": ("acceptance", "pre-prod", "preprod", "stage", "staging", "stg", "uat"),
    "test": ("qa", "test", "testing", "tst"),
    "dev": ("dev", "develop", "development"),
    "sandbox": ("playground", "poc", "sandbox", "sbx"),
}
_ENVIRONMENT_OF: Final = {word: environment for environment, words in _ENVIRONMENTS.items() for word in words}


def moment(value: object) -> datetime | None:
    """A time of the server: seconds since 1970 or RFC 3339 with nanoseconds; None for its zero time and no time."""
    if isinstance(value, int) and value > 0:
        return datetime.fromtimestamp(value, UTC)
    if not isinstance(value, str) or not value or value == NEVER:
        return None
    try:
        return datetime.fromisoformat(_FRACTION.sub(r".\1", value)).astimezone(UTC)
    except ValueError:
        return None


def joined(values: object) -> str:
    """A list of bounds, or a single one, as one text; empty where nothing is asked."""
    if values is None:
        return ""
    return ", ".join(str(value) for value in values) if isinstance(values, list) else str(values)


def are_narrow(networks: Iterable[object]) -> bool:
    """There are networks, and none of them holds much of the internet."""
    found = [_network(str(network)) for network in networks]
    return bool(found) and all(n is not None and n.prefixlen >= _WIDEST_NETWORK[n.version] for n in found)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def labels(metadata: Any) -> dict[str, str]:
    """Metadata as texts; servers send null for none."""
    return {str(name): str(value) for name, value in (metadata or {}).items()}


def environment(tags: Mapping[str, str]) -> str | None:
    for name in ("environment", "env", "stage"):
        word = _folded(tags).get(name, "").strip().casefold()
        if word in _ENVIRONMENT_OF:
            return _ENVIRONMENT_OF[word]
    return None


def purpose(tags: Mapping[str, str]) -> str | None:
    folded = _folded(tags)
    return folded.get("purpose") or folded.get("description") or None


def _folded(tags: Mapping[str, str]) -> dict[str, str]:
    return {name.casefold(): value for name, value in tags.items()}


def tag_records(identity_id: str, tags: Mapping[str, str]) -> Iterator[Tag]:
    for name, value in tags.items():
        yield Tag(identity_id=identity_id, name=name, value=value)
