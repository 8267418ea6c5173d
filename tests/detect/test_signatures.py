"""Until when a signed address opens anything."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nhiscan.detect.precise.signatures import expires_at


@pytest.mark.parametrize(
    ("address", "moment"),
    [
        ("sv=2024-11-04&se=2031-01-02T03:04:05Z&sig=x", datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("se=2031-01-02T03%3A04%3A05Z&sig=x", datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("sp=r&amp;se=2031-01-02T03:04Z&amp;sig=x", datetime(2031, 1, 2, 3, 4, tzinfo=UTC)),
        ("sp=r\\u0026se=2031-01-02\\u0026sig=x", datetime(2031, 1, 2, tzinfo=UTC)),
        ("https://acme.blob.core.windows.net/a?se=2031-01-02", datetime(2031, 1, 2, tzinfo=UTC)),
        ("SharedAccessSignature sr=acme&sig=x&se=1893456000&skn=send", datetime(2030, 1, 1, tzinfo=UTC)),
        ("X-Amz-Date=20260131T235959Z&X-Amz-Expires=61", datetime(2026, 2, 1, 0, 1, tzinfo=UTC)),
    ],
)
def test_the_end_of_a_signature_is_read(address: str, moment: datetime) -> None:
    assert expires_at(address) == moment


@pytest.mark.parametrize(
    "address",
    [
        "sv=2024-11-04&sig=x",
        "sp=r&base=2031-01-02&sig=x",
        "se=2031-13-45&sig=x",
        "se=2031-01-02T99:99:99Z&sig=x",
        "X-Amz-Date=20269999T000000Z&X-Amz-Expires=60",
        "X-Amz-Date=20260131T000000Z",
        "",
    ],
)
def test_no_end_is_said_where_none_can_be_read(address: str) -> None:
    assert expires_at(address) is None
