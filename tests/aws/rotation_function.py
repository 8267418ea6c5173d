"""What moto lacks of RotateSecret: a function that renews a secret in its own time, and the labels that tell of it.

Secrets Manager User Guide, "How rotation works": the new version is AWSPENDING until the function has tested it, then
it becomes AWSCURRENT; a function that fails leaves AWSPENDING, and no rotation begins while it is on another version.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from moto.secretsmanager.exceptions import InvalidRequestException
from moto.secretsmanager.models import SecretsManagerBackend

ARN: Final = "arn:aws:lambda:eu-central-1:123456789012:function:renew"


@dataclass
class RotationFunction:
    """`works`: it ends at once and well; otherwise it is stuck until `end`. `begun`: the rotations that were begun."""

    works: bool = True
    begun: list[str] = field(default_factory=list)

    def attach(self, backend: Any, name: str) -> None:
        secret = backend.secrets[name]
        secret.rotation_requested, secret.rotation_enabled, secret.rotation_lambda_arn = True, True, ARN

    def rotate(self, backend: SecretsManagerBackend, secret_id: str, client_request_token: str, **_: Any) -> str:
        secret: Any = backend.secrets[secret_id]
        stages = {version["version_id"]: version["version_stages"] for version in secret.versions.values()}
        if any("AWSPENDING" in labels and "AWSCURRENT" not in labels for labels in stages.values()):
            raise InvalidRequestException("A previous rotation isn't complete. That rotation will be reattempted.")
        self.begun.append(client_request_token)
        made = {"createdate": 0, "version_id": client_request_token, "version_stages": ["AWSPENDING"]}
        secret.versions[client_request_token] = made
        if self.works:
            self.end(backend, secret_id)
        answer: str = secret.to_short_dict(version_id=client_request_token)
        return answer

    def end(self, backend: Any, secret_id: str) -> None:
        """The function puts the value and moves the label; AWSPENDING may stay beside it, says the API reference."""
        versions = backend.secrets[secret_id].versions
        (new,) = [version for version in versions.values() if "AWSPENDING" in version["version_stages"]]
        (old,) = [version for version in versions.values() if "AWSCURRENT" in version["version_stages"]]
        for version in versions.values():
            version["version_stages"] = [label for label in version["version_stages"] if label != "AWSPREVIOUS"]
        new["secret_string"] = json.dumps({"password": secrets.token_hex(16)})
        new["version_stages"] = ["AWSCURRENT", "AWSPENDING"]
        old["version_stages"] = ["AWSPREVIOUS"]
