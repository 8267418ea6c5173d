"""Which files of a repository define its builds: what stands there is handed to every run, forks' at times included."""

from __future__ import annotations

import re
from typing import Final

_YAML: Final = r"\.ya?ml"
# Each as its product's documentation names the file; folders first, then files, which may lie in any folder.
_PIPELINE: Final = re.compile(
    rf"""
    (?:.*/)?(?:
        \.(?:github|gitea|forgejo)/(?:workflows|actions)/.*{_YAML}
        | \.(?:circleci|buildkite|azure-pipelines|azuredevops|woodpecker|tekton|teamcity|harness)/.*
        | \.gitlab/ci/.*{_YAML}
        | \.?gitlab-ci[^/]*{_YAML}
        | \.?azure-pipelines[^/]*{_YAML}
        | (?:bitbucket-pipelines|buildspec[^/]*|cloudbuild[^/]*|codefresh|codemagic|appveyor|wercker|semaphore){_YAML}
        | \.(?:travis|drone|appveyor|woodpecker|cirrus){_YAML}
        | Jenkinsfile[^/]*
        | [^/]*\.jenkinsfile
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_pipeline(path: str) -> bool:
    return _PIPELINE.fullmatch(path) is not None
