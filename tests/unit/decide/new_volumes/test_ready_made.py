"""The policies in policies/ that are about new volumes do what their comments say."""

from pathlib import Path
from typing import Any, Final

import yaml
from tests.unit import builders
from tests.unit.builders import NAMESPACE, cluster_of, stateful_set
from tests.unit.decide.new_volumes.support import LATE, NAMES, NODES, made, new

from mooring.api.policy import Policy, parse_policy

_POLICIES: Final = Path(__file__).parents[4] / "policies"


def _policy(name: str) -> Policy:
    manifest: dict[str, Any] = yaml.safe_load((_POLICIES / f"{name}.yaml").read_text(encoding="utf-8"))
    return parse_policy({**manifest, "metadata": {**manifest["metadata"], "namespace": NAMESPACE}})


def _eligible(policy: str, pod: Any, *objects: Any) -> list[str]:
    cluster = cluster_of(NODES, LATE, _policy(policy), objects)
    return builders.eligible(builders.decision_on(pod, cluster), NAMES)


def test_a_stateful_set_gets_a_volume_in_each_zone() -> None:
    """The third one goes where there is none; pods without the label go anywhere."""
    objects = [stateful_set("db", "data"), made("data-db-0", "n1"), made("data-db-1", "n4"), new("data-db-2")]
    labels = {"storage-locality": "spread"}

    assert _eligible("spread-volumes", builders.pod("db-2", "data-db-2", labels=labels), objects) == ["n5", "n6"]
    assert _eligible("spread-volumes", builders.pod("db-2", "data-db-2"), objects) == list(NAMES)


def test_two_databases_share_no_node() -> None:
    """Whichever is there, and only where claims and pods have the label."""
    apart = {"volumes": "apart"}
    objects = [made("data-mysql-0", "n1", labels=apart), made("other", "n2"), new("data-pg-0", labels=apart)]

    found = _eligible("volumes-apart", builders.pod("pg-0", "data-pg-0", labels=apart), objects)
    assert found == ["n2", "n3", "n4", "n5", "n6"]
    assert _eligible("volumes-apart", builders.pod("pg-0", "data-pg-0"), objects) == list(NAMES)
