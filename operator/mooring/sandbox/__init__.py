"""A real control plane on this machine: etcd, kube-apiserver, controllers, two schedulers, and nodes that pretend."""


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message is meant for a person."""
