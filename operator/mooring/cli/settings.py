"""What the command line said, checked."""

import ssl
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mooring.serve.admission import Gating
from mooring.serve.priorities import ScoreProfile


class SoftLocality(StrEnum):
    """How soft rules are kept."""

    NOMINATE = "Nominate"
    """Pods are gated for a moment, and get a nominated node: it holds in clusters of any size."""
    PREFER = "Prefer"
    """Pods get preferred affinity and no gate, which kube-scheduler honours among the nodes that it looks at."""


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """Where admission listens, and its certificate and key if they are given as files."""

    port: int
    files: tuple[Path, Path] | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a process is to run."""

    kubeconfig: Path | None
    context: str | None
    namespace: str
    name: str
    identity: str
    read_only: bool
    host: str
    port: int
    tls: ssl.SSLContext | None
    webhook: WebhookSettings | None
    scheduler_lease: tuple[str, str]
    set_scheduler_name: bool
    hostname_affinity: bool
    soft_locality: SoftLocality
    gated_schedulers: AbstractSet[str]
    score_profile: ScoreProfile
    rack_labels: Sequence[str]

    @property
    def nominates(self) -> bool:
        """Whether soft rules are kept by nominations."""
        return self.soft_locality is SoftLocality.NOMINATE

    def gating(self, *, is_manned: Callable[[], bool] = lambda: True) -> Gating | None:
        """How pods are gated; `is_manned` says whether somebody is there to let them through."""
        if not self.nominates:
            return None
        return Gating(identity=self.identity, schedulers=self.gated_schedulers, is_manned=is_manned)
