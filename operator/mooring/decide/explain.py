"""A decision in words: the rule and why it won, each volume, the nodes by tier, and every refusal with its reason."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mooring.api.policy import Placement
from mooring.cluster.index import Cluster
from mooring.cluster.topology import Level
from mooring.decide.decision import Decision
from mooring.decide.locality import measure
from mooring.decide.new_volumes.demand import Demand
from mooring.decide.tiers import TIER_SCORES, Scores, VolumeScores, tier_groups
from mooring.decide.volumes import VolumeView

_TIER_NAMES: Final[dict[float, str]] = {
    **{score: level.name.lower() for level, score in TIER_SCORES.items()},
    TIER_SCORES[Level.HOST]: "node",
    0: "remote",
}


def explain(decision: Decision, cluster: Cluster) -> dict[str, Any]:
    """Say everything about a decision as JSON-able data; the command line prints the same as text."""
    subject, rule, resolution = decision.subject, decision.rule, decision.resolution
    node = subject.spec.node_name
    explanation: dict[str, Any] = {
        "subject": {"kind": subject.kind, "namespace": subject.namespace, "name": subject.name},
        "rule": None
        if rule is None
        else {
            "name": rule.name,
            "origin": rule.origin.value,
            "why": rule.why,
            "strict": rule.strict,
            "placement": rule.placement.value,
            "topologyKey": rule.topology_key,
            "updateMode": rule.update_mode.value,
        },
        "noRule": resolution.why_none,
        "overridden": [policy.key for policy in resolution.overridden],
        "problems": list(decision.problems),
        "volumes": [_volume(view) for view in decision.volumes],
        "newVolumes": [_demand(demand) for demand in decision.demands.all],
        "storage": _storage(decision, cluster),
        "obstacle": None
        if decision.obstacle is None
        else {"reason": decision.obstacle.value, "message": decision.obstacle_detail},
        "nodes": _nodes(decision, cluster),
    }
    if rule is not None and subject.kind == "Pod":
        locality = measure(decision, node)
        explanation["locality"] = {"node": node, "reason": locality.reason.value, "message": locality.message}
    return explanation


def render(explanation: Mapping[str, Any]) -> str:
    """Print an explanation for a person, nodes grouped by tier so that a large cluster stays readable."""
    subject, rule = explanation["subject"], explanation["rule"]
    lines = [f"{subject['kind']} {subject['namespace']}/{subject['name']}"]
    if rule is None:
        lines.append(f"Rule:      none ({explanation['noRule']})")
    else:
        strictness = "strict" if rule["strict"] else "soft"
        placement = "" if rule["placement"] == Placement.LOCAL else f"{rule['placement']}, "
        lines.append(
            f"Rule:      {rule['name']} ({strictness}, {placement}{rule['topologyKey']}, {rule['updateMode']})"
        )
        if rule["why"] != rule["name"]:
            lines.append(f"           {rule['why']}")
    lines += [f"Overrides: {key}" for key in explanation["overridden"]]
    lines += [f"Warning:   {problem}" for problem in explanation["problems"]]
    lines += [f"Volume:    {_volume_line(volume)}" for volume in explanation["volumes"]]
    lines += [f"New:       {_demand_line(demand)}" for demand in explanation["newVolumes"]]
    lines += _storage_lines(explanation["storage"])
    if explanation["obstacle"]:
        lines.append(f"Obstacle:  {explanation['obstacle']['reason']}: {explanation['obstacle']['message']}")
    if rule is not None:
        lines += _node_lines(explanation["nodes"])
    if "locality" in explanation:
        locality = explanation["locality"]
        lines.append(f"Measured:  {locality['reason']}: {locality['message']}")
    return "\n".join(lines)


def _tier(node: str, tiers: Sequence[Scores]) -> str:
    """How near a node is to the data: `mixed` where volumes differ, `unknown` where no volume's place is known."""
    scores = {scores.of(node) for scores in tiers}
    if len(scores) != 1:
        return "mixed" if scores else "unknown"
    return _TIER_NAMES[scores.pop()]


def _volume(view: VolumeView) -> dict[str, Any]:
    location = view.location
    return {
        "claim": view.claim,
        "volume": view.volume,
        "driver": view.driver,
        "state": view.state.value,
        "nodes": sorted(location.nodes),
        "precision": location.precision.name.lower() if location.precision is not None else None,
        "usable": sorted(view.usable),
        "source": location.source,
        "remote": view.remote,
        "required": view.is_required,
        "scored": view.is_scored,
        "awaited": view.awaited,
        "detail": view.detail,
    }


def _volume_line(volume: Mapping[str, Any]) -> str:
    line = f"{volume['claim']}: {volume['state']}"
    if volume["nodes"]:
        what = "on" if volume["precision"] == "host" else f"somewhere in the {volume['precision']} of"
        line += f" {what} {', '.join(volume['nodes'])}"
    if volume["source"]:
        line += f" (says {volume['source']})"
    if volume["remote"]:
        line += ", to be used from elsewhere"
        line += " only" if volume["required"] else ""
    said = dict.fromkeys([volume["detail"], volume["awaited"], "to be waited for" if volume["awaited"] else ""])
    return "; ".join([line, *filter(None, said)])


def _demand(demand: Demand) -> dict[str, Any]:
    return {
        "rule": demand.name,
        "required": demand.required,
        "weight": demand.weight,
        "except": demand.inverted,
        "nodes": sorted(demand.nodes),
        "message": demand.message,
    }


def _demand_line(demand: Mapping[str, Any]) -> str:
    """What new volumes ask of the node, such as `spread requires one of node-1, node-2`."""
    verb = "requires" if demand["required"] else f"prefers (weight {demand['weight']})"
    if not demand["nodes"]:
        return f"{demand['rule']} {verb} {'any node' if demand['except'] else 'a node that is not there'}"
    return f"{demand['rule']} {verb} {'none of' if demand['except'] else 'one of'} {_shortened(demand['nodes'])}"


def _storage(decision: Decision, cluster: Cluster) -> list[dict[str, Any]]:
    """On which nodes the storage of a volume's driver is not as it should be, and who says so."""
    return [
        {"driver": driver, "node": node, "state": state.value, "source": cluster.storage.source(driver, node)}
        for driver in sorted({view.driver for view in decision.selected if view.driver})
        for node, state in sorted(cluster.storage.states(driver).items())
        if node in cluster.nodes
    ]


def _storage_lines(storage: list[Mapping[str, Any]]) -> list[str]:
    said: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for each in storage:
        said[each["driver"], each["state"]].append(each)
    return [
        f"Storage:   {_shortened([each['node'] for each in group])}: {state} for {driver} (says {group[0]['source']}"
        + (f" and {len(group) - 1} more)" if len(group) > 1 else ")")
        for (driver, state), group in said.items()
    ]


def _nodes(decision: Decision, cluster: Cluster) -> list[dict[str, Any]]:
    near = decision.near
    # A score does not tell the tier: half of a rack's is a zone's, and so may be the mean over several volumes.
    tiers = [
        Scores((VolumeScores(tier_groups(view.usable, view.location.precision, cluster.topology)),))
        for view in decision.counting
        if view.location.precision is not None
    ]
    refusals = {name: [test.message for test in decision.refusals(name)] for name in sorted(cluster.nodes)}
    return [
        {
            "name": name,
            "eligible": not messages,
            "score": decision.scores.of(name),
            "tier": _tier(name, tiers),
            "near": name in near,
            "refusals": messages,
        }
        for name, messages in refusals.items()
    ]


def _node_lines(nodes: list[Mapping[str, Any]]) -> list[str]:
    eligible: defaultdict[tuple[float, str], list[str]] = defaultdict(list)
    refused: defaultdict[str, list[str]] = defaultdict(list)
    for node in nodes:
        if node["eligible"]:
            eligible[node["score"], node["tier"]].append(node["name"])
        else:
            refused[node["refusals"][0]].append(node["name"])
    lines = [
        f"Score {score:>5g}: {_shortened(names)} ({tier})"
        for (score, tier), names in sorted(eligible.items(), key=lambda group: -group[0][0])
    ]
    return lines + [f"Refused:   {_shortened(names)}: {message}" for message, names in refused.items()]


def _shortened(names: list[str], *, limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
