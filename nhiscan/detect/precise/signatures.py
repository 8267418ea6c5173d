"""What a signed address says of itself: until when it opens anything. Nobody is asked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote

# Source: Azure storage's "Create a service SAS" (a time of ISO 8601), Service Bus' "Access control with SAS" (seconds).
_AZURE: Final = re.compile(
    r"(?:^|[?&;])se=(?:(?P<seconds>\d{9,11})|(?P<time>\d{4}-\d\d-\d\d(?:T[\d:.]{4,16}Z?)?))(?:&|$)"
)
# Source: AWS' "Authenticating requests: using query parameters (Signature Version 4)".
_AWS_DATE: Final = re.compile(r"X-Amz-Date=(\d{8}T\d{6}Z)", re.IGNORECASE)
_AWS_SECONDS: Final = re.compile(r"X-Amz-Expires=(\d{1,7})", re.IGNORECASE)


def expires_at(address: str) -> datetime | None:
    """None where it does not say, or says what is no time."""
    plain = unquote(address.replace("&amp;", "&").replace("\\u0026", "&"))
    azure = _AZURE.search(plain)
    date, seconds = _AWS_DATE.search(plain), _AWS_SECONDS.search(plain)
    try:
        if azure and azure["seconds"]:
            return datetime.fromtimestamp(int(azure["seconds"]), UTC)
        if azure:
            said = datetime.fromisoformat(azure["time"])
            return said if said.tzinfo else said.replace(tzinfo=UTC)
        if date and seconds:
            made = datetime.strptime(date[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return made + timedelta(seconds=int(seconds[1]))
    except (ValueError, OverflowError):
        return None
    return None
