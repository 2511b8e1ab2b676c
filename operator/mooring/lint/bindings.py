"""`newVolumes` of policies whose claims do not wait for a pod: then nothing can say where their volumes are made."""

from collections.abc import Iterator, Sequence

from mooring.api.selectors import VolumeSelector
from mooring.lint.documents import Manifest
from mooring.lint.findings import Finding, Severity
from mooring.lint.own_kinds import valid_policies


def check_bindings(manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Warn of StorageClasses among the manifests that a policy with `newVolumes` can choose and that bind at once."""
    at_once = [manifest for manifest in manifests if _binds_at_once(manifest)]
    for manifest, policy in valid_policies(manifests):
        if policy.spec.new_volumes is None:
            continue
        for storage_class in at_once:
            if _can_choose(policy.spec.volume_selector, storage_class):
                yield manifest.finding(("spec", "newVolumes"), _moot(storage_class), Severity.WARNING)


def _binds_at_once(manifest: Manifest) -> bool:
    """Whether an object is a StorageClass whose claims are bound before a pod mounts them, which is the default."""
    return manifest.value["kind"] == "StorageClass" and manifest.at("volumeBindingMode") in {None, "Immediate"}


def _can_choose(selector: VolumeSelector, storage_class: Manifest) -> bool:
    """Whether claims of a class can be selected; their labels may be anything."""
    name, driver = storage_class.at("metadata", "name"), storage_class.at("provisioner")
    return selector.matches(name, driver, selector.match_labels)


def _moot(storage_class: Manifest) -> str:
    return (
        f"is moot for claims of StorageClass {storage_class.at('metadata', 'name')}: its volumeBindingMode is "
        "Immediate, which makes volumes before there is a pod; WaitForFirstConsumer waits for one"
    )
