"""Programs that several kinds of tests use, and how hypothesis tries examples."""

import sys

import pytest
from hypothesis import HealthCheck, settings
from tests.programs import ArgoHealth, Helm, Kstatus, build_argo_health, build_helm, build_kstatus

from mooring.sandbox.progress import plain

# How long an example takes is up to the machine, and how many are filtered out up to chance: neither is a failure.
# The examples are the same each time; `--hypothesis-profile=default` looks for new ones.
settings.register_profile(
    "mooring",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("mooring")

# Capturing replaces sys.stderr: compiling takes minutes, and whoever waits must see that something happens.
_progress = plain(lambda line: print(f"tools: {line}", file=sys.__stderr__, flush=True))


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Give real helm."""
    return Helm(build_helm(_progress), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def kstatus() -> Kstatus:
    """Give the judge that Flux and helm ask."""
    return Kstatus(build_kstatus(_progress))


@pytest.fixture(scope="session")
def argo_health() -> ArgoHealth:
    """Give Argo CD's judge, with our health check for policies."""
    return ArgoHealth(build_argo_health(_progress))
