"""The first few of everything: cuts lists where answers come in, so that a collector can be tried out in seconds.

`nhiscan doctor` asks what a provider refuses, and a refusal shows on the first page and the first thing. Cutting at
the door keeps collectors free of a second way through their own code.
"""

from __future__ import annotations

import json
from typing import Any, Final

import requests

_FEW: Final = 3
# What says that there is more, in the words of the providers that are read: AWS's services and HashiCorp's vault.
_MORE: Final = frozenset({"nexttoken", "nextmarker", "marker", "paginationtoken", "next_page", "cursor"})
_FLAGS: Final = frozenset({"istruncated", "truncated", "hasmoreresults", "hasmore"})


def cut_parsed(parsed: Any, **_: Any) -> None:
    """For botocore's event `after-call`: the parsed answer keeps a few of each list and says that this is all."""
    for name in list(parsed):
        if name.lower() in _MORE:
            del parsed[name]
        elif name.lower() in _FLAGS:
            parsed[name] = False
        elif isinstance(parsed[name], list):
            del parsed[name][_FEW:]


def cut_response(response: requests.Response, *_: Any, **__: Any) -> requests.Response:
    """For a requests session's hook `response`: the same for the keys of a vault's LIST and for HubSpot's pages."""
    if not response.ok:
        return response
    if response.request.method == "LIST":
        answer = response.json()
        keys = answer.get("data", {}).get("keys")
        if isinstance(keys, list):
            answer["data"]["keys"] = keys[:_FEW]
            _replace(response, answer)
    elif b'"paging"' in response.content:
        answer = response.json()
        if isinstance(answer.get("results"), list) and answer.pop("paging", None):
            answer["results"] = answer["results"][:_FEW]
            _replace(response, answer)
    return response


def _replace(response: requests.Response, answer: Any) -> None:
    response._content = json.dumps(answer).encode()  # requests has no public way to replace a body
