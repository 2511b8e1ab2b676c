"""Command lines and configuration files of the sandbox's components."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring.sandbox import SandboxError
from mooring.sandbox.components import Component, config_files, plan, scheduler_config
from mooring.sandbox.layout import COMPONENTS, PORTS, Layout, known

LAYOUT = Layout(directory=Path("/state"), ports={name: 20_000 + number for number, name in enumerate(PORTS)})


def component(name: str) -> Component:
    """Give one component of the layout."""
    return next(each for each in plan(LAYOUT) if each.name == name)


def flags(name: str) -> dict[str, str]:
    """Give a component's flags by name."""
    pairs = (argument.removeprefix("--").partition("=") for argument in component(name).command[1:])
    return {flag: value for flag, _, value in pairs}


def test_plan_starts_what_others_need_first() -> None:
    """Every component comes after the one it needs, and only etcd needs none."""
    started: set[str | None] = {None}
    for each in plan(LAYOUT):
        assert each.needs in started
        started.add(each.name)
    assert started == {None, *COMPONENTS}


def test_plan_keeps_to_the_components_asked_for() -> None:
    """A sandbox can do without schedulers and nodes."""
    layout = Layout(directory=LAYOUT.directory, ports=LAYOUT.ports, components=("etcd", "kube-apiserver"))

    assert [each.name for each in plan(layout)] == ["etcd", "kube-apiserver"]


@pytest.mark.parametrize("name", COMPONENTS)
def test_everything_listens_on_loopback_only(name: str) -> None:
    """Each component serves on its own port of 127.0.0.1, and is asked for its health there."""
    port = LAYOUT.ports[name]

    assert f"127.0.0.1:{port}/" in component(name).health
    bound = flags(name).get("bind-address") or flags(name).get("server-address") or flags(name)["listen-client-url"]
    assert "127.0.0.1" in bound


@pytest.mark.parametrize("name", ["kube-scheduler", "mooring-scheduler"])
def test_both_schedulers_are_one_program(name: str) -> None:
    """The second scheduler is the same program with another configuration."""
    assert component(name).command[0] == "/state/bin/kube-scheduler"
    assert flags(name)["config"] == f"/state/config/{name}.yaml"


def test_stock_scheduler_has_defaults() -> None:
    """The cluster's own scheduler has neither profiles nor an extender nor another percentage of nodes to score."""
    config = scheduler_config(LAYOUT, "kube-scheduler")

    assert not {"profiles", "extenders", "percentageOfNodesToScore"} & set(config)


def test_second_scheduler_asks_the_extender() -> None:
    """The second scheduler serves both names, elects with a lease of its own, and asks Mooring, fail-open."""
    config = scheduler_config(LAYOUT, "mooring-scheduler")

    assert [profile["schedulerName"] for profile in config["profiles"]] == ["mooring", "stork"]
    assert config["leaderElection"]["resourceName"] == "mooring-scheduler"
    assert "percentageOfNodesToScore" not in config
    (extender,) = config["extenders"]
    assert extender["urlPrefix"] == f"{LAYOUT.extender}/scheduler"
    assert extender["ignorable"]
    assert extender["nodeCacheCapable"]


def test_config_files_are_yaml_below_the_directory() -> None:
    """Every configuration file that a command line names is written, but for kwok's stages."""
    files = config_files(LAYOUT)
    named = {value for name in COMPONENTS for value in flags(name).values() if value.startswith("/state/config/")}

    assert {str(path) for path in files} == named - {"/state/config/kwok.yaml"}
    assert all(yaml.safe_load(text)["kind"] for text in files.values())


def test_audit_policy_keeps_every_request_of_mooring() -> None:
    """Nothing that the operator asks for is noise."""
    policy: dict[str, Any] = yaml.safe_load(config_files(LAYOUT)[LAYOUT.config("audit-policy.yaml")])

    *silent, rest = policy["rules"]
    assert rest == {"level": "Metadata"}
    about_users = [rule for rule in silent if "nonResourceURLs" not in rule]
    assert all("mooring" not in rule.get("users", ["some group"]) for rule in about_users)
    assert policy["omitStages"] == ["RequestReceived", "ResponseStarted"]


def test_known_orders_and_refuses() -> None:
    """Components are given in starting order, and a name that is none is refused."""
    assert known(["kwok", "etcd"]) == ("etcd", "kwok")
    with pytest.raises(SandboxError, match="no such component: kubelet"):
        known(["kubelet"])
