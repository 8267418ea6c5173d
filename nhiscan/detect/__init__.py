"""The secrets scanner behind one call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings

from nhiscan.model import Sighting, Where
from nhiscan.secret import fingerprint

_PLUGINS: Final = {"plugins_used": [{"name": "AWSKeyDetector"}, {"name": "KeywordDetector"}]}
_PREVIEW: Final = 4


def detect(value: str, where: Where, *, key: bytes) -> Iterator[Sighting]:
    """The secrets in one value; neither the value nor its text leaves."""
    with transient_settings(_PLUGINS):
        for n, found in enumerate(scan_line(f'{where.name or "value"} = "{value}"')):
            yield Sighting(
                sighting_id=f"{where.tenant_id}:{where.kind}/{where.location}/{where.name}#{n}",
                provider=where.provider,
                tenant_id=where.tenant_id,
                where_kind=where.kind,
                location=where.location,
                kind=found.type,
                fingerprint=fingerprint(found.secret_value or "", key=key),
                name=where.name,
                resource_id=where.resource_id,
                identity_id=where.identity_id,
                preview=(found.secret_value or "")[:_PREVIEW],
            )
