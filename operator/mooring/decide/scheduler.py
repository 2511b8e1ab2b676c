"""Which scheduler a pod gets that names none of its own."""

import msgspec

from mooring.api.annotations import SCHEDULER
from mooring.cluster.index import Cluster
from mooring.cluster.topology import Level
from mooring.decide.decision import Decision, decide
from mooring.decide.subject import DEFAULT_SCHEDULER, Subject
from mooring.locate.locator import Locator


def choose_scheduler(decision: Decision, cluster: Cluster, locator: Locator, *, alive: bool, adopt: bool) -> Decision:
    """Decide about a pod as it will be with the scheduler that it gets: the one that its policy names, else Mooring's.

    Mooring's is for pods that it draws to nodes: under a rule if that scheduler places them, and with the data of a
    volume located on nodes. A scheduler that the user chose is never replaced; `default-scheduler` is no choice, since
    the API server fills it in.

    Args:
        decision: about the pod as it is; it is given back where the pod keeps its scheduler.
        cluster: to decide anew.
        locator: to decide anew.
        alive: whether Mooring's scheduler runs; a pod that waits for one that does not would wait for ever.
        adopt: whether Mooring's scheduler is set where no policy names one.
    """
    subject, rule = decision.subject, decision.rule
    if subject.scheduler_name != DEFAULT_SCHEDULER:
        return decision
    named = rule.scheduler_name if rule is not None and rule.acts else ""
    if named and (alive or named != SCHEDULER):
        return decide(_placed_by(named, subject), cluster, locator)
    if alive and adopt:
        adopted = decide(_placed_by(SCHEDULER, subject), cluster, locator)
        if _draws(adopted):
            return adopted
    return decision


def _placed_by(scheduler: str, subject: Subject) -> Subject:
    return msgspec.structs.replace(subject, spec=msgspec.structs.replace(subject.spec, scheduler_name=scheduler))


def _draws(decision: Decision) -> bool:
    acts = decision.rule is not None and decision.rule.acts
    return acts and any(view.location.precision is Level.HOST for view in decision.volumes)
