"""What the binary's place in the cache depends on, and which Go builds it."""

import shutil
from pathlib import Path

import pytest

from mooring.sandbox import SandboxError, build
from mooring.sandbox.progress import Progress

GO_THAT_WRITES_ITS_ARGUMENTS = """#!/bin/sh
case $1 in
env) echo go1.99 ;;
list) echo example.com/hello ;;
build)
    for argument; do
        test "$before" = -o && output=$argument
        before=$argument
    done
    printf '%s\\n' "$@" >"$output"
    ;;
esac
"""
GO_WITHOUT_A_MODULE = """#!/bin/sh
test "$1" = list || exec "$0.good" "$@"
echo >>"$0.asked"
test "$(wc -l <"$0.asked")" -gt 2 && exec "$0.good" "$@"
echo "main.go:1:1: example.com/far@v1: $(cat "$0.trouble")" >&2
echo example.com/hello
exit 1
"""
GO_MOD = "module m\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.36.3\n)\n"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Give a copy of the Go module that a test may change."""
    return Path(shutil.copytree(build.MODULE, tmp_path / "module"))


@pytest.mark.parametrize("file", ["etcd.go", "go.mod", "go.sum"])
def test_key_changes_with_sources(module: Path, file: str) -> None:
    """Another source or dependency is another binary."""
    before = build.cache_key(module, ".")

    (module / file).write_text((module / file).read_text(encoding="utf-8") + "\n", encoding="utf-8")

    assert build.cache_key(module, ".") != before


def test_key_does_not_depend_on_the_other_program(module: Path) -> None:
    """The control plane and the reference extender are rebuilt each for its own changes."""
    control_plane, reference = build.cache_key(module, "."), build.cache_key(module, "reference")

    (module / "reference" / "main.go").write_text("package main\n", encoding="utf-8")

    assert build.cache_key(module, ".") == control_plane
    assert build.cache_key(module, "reference") != reference


def test_version_comes_from_go_mod() -> None:
    """The version of Kubernetes is written once, in go.mod."""
    assert build.kubernetes_version(GO_MOD) == "v1.36.3"
    with pytest.raises(SandboxError, match="does not require"):
        build.kubernetes_version("module m\n")


@pytest.mark.parametrize(("versions", "chosen"), [(["1.25.4", "1.26.0"], 1), (["1.27rc1", "1.26"], 0), (["1.26.8"], 0)])
def test_first_go_that_is_new_enough_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: list[str], chosen: int
) -> None:
    """An old Go earlier on PATH does not hide a newer one."""
    commands = []
    for number, version in enumerate(versions):
        command = tmp_path / str(number) / "go"
        command.parent.mkdir()
        command.write_text(f"#!/bin/sh\necho go{version}\n", encoding="utf-8")
        command.chmod(0o755)
        commands.append(command)
    monkeypatch.setenv("PATH", ":".join(str(command.parent) for command in commands))

    assert build.find_go(GO_MOD, print) == commands[chosen]


def test_binary_in_the_cache_is_not_built_again(module: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is run and nothing is said when the binary is there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    binary = tmp_path / "cache" / "mooring" / "controlplane" / build.cache_key(module, ".") / "controlplane"
    binary.parent.mkdir(parents=True)
    binary.touch()

    assert build.build(pytest.fail, module=module) == binary


def test_program_of_another_module_follows_its_version(module: Path) -> None:
    """A package that go.mod only requires is rebuilt for another go.mod, whatever our own sources are."""
    before = build.cache_key(module, "helm.sh/helm/v4/cmd/helm")

    (module / "main.go").write_text("package main\n", encoding="utf-8")
    assert build.cache_key(module, "helm.sh/helm/v4/cmd/helm") == before

    (module / "go.sum").write_text("", encoding="utf-8")
    assert build.cache_key(module, "helm.sh/helm/v4/cmd/helm") != before


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give where a go command goes that is found first, beside a module, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "go.mod").write_text(GO_MOD, encoding="utf-8")
    (tmp_path / "go.sum").touch()
    command = tmp_path / "go"
    command.touch(mode=0o755)
    return command


def test_program_is_built_once(tmp_path: Path, go: Path) -> None:
    """A module of anybody's is compiled the first time, and what came out is given from then on."""
    go.write_text(GO_THAT_WRITES_ITS_ARGUMENTS, encoding="utf-8")
    told: list[str] = []

    def program(progress: Progress) -> Path:
        return build.build_program("hello", progress, module=tmp_path, package="./hello", link_flags="-X main.word=hi")

    binary = program(told.append)

    arguments = binary.read_text(encoding="utf-8").splitlines()
    assert arguments[arguments.index("-ldflags") + 1] == "-s -w -X main.word=hi"
    assert arguments[-1] == "./hello"
    assert "compiling hello: 1 packages, minutes the first time" in told
    assert program(pytest.fail) == binary


def test_modules_that_a_proxy_did_not_give_are_asked_for_again(
    tmp_path: Path, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer of thousands is missing now and then; what is wrong with the module itself is told at once."""
    monkeypatch.setattr(build, "_PAUSES", (0, 0))
    go.write_text(GO_WITHOUT_A_MODULE, encoding="utf-8")
    good, asked, trouble = (go.with_suffix(suffix) for suffix in (".good", ".asked", ".trouble"))
    good.write_text(GO_THAT_WRITES_ITS_ARGUMENTS, encoding="utf-8")
    good.chmod(0o755)
    told: list[str] = []

    trouble.write_text("checksum mismatch", encoding="utf-8")
    with pytest.raises(SandboxError, match=r"checksum mismatch$"):
        build.build_program("hello", told.append, module=tmp_path)

    asked.unlink()
    trouble.write_text("reading https://proxy.example.com/far.zip: 502 Bad Gateway", encoding="utf-8")
    assert build.build_program("hello", told.append, module=tmp_path).exists()
    assert sum("502 Bad Gateway" in line for line in told) == 2
    assert "compiling hello: 1 packages, minutes the first time" in told
