"""YAML documents with the line of every field, read as strictly as kubectl reads them."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from mooring.cluster.manifests import ManifestLoader, list_items
from mooring.lint.findings import FieldPath, Finding, Severity, field_name

_MERGE: Final = "tag:yaml.org,2002:merge"
_MAX_DEPTH: Final = 100
"""No manifest nests deeper, and parsers run out of stack somewhere."""
_MAX_REPEATS: Final = 100_000
"""Values that aliases may repeat in one document: a few lines of them can stand for billions."""


class UnreadableError(Exception):
    """A file that is not YAML, or not YAML that kubectl would take.

    Attributes:
        line: where reading stopped, from 1.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line: Final = line


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A YAML document, or one object of a list in it.

    Attributes:
        value: what it says, in JSON's types.
        lines: the line of each field of the document, from 1.
        root: where the object is in the document; empty but in a list.
    """

    file: str
    value: Any
    lines: Mapping[FieldPath, int]
    root: FieldPath = ()

    def at(self, *path: str | int) -> Any:
        """What is there, or None if there is no such field."""
        value = self.value
        for step in path:
            if isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            elif isinstance(value, Mapping):
                value = value.get(step)
            else:
                return None
        return value

    def mapping_at(self, *path: str | int) -> Mapping[str, Any]:
        """The mapping that is there; an empty one if there is none."""
        value = self.at(*path)
        return value if isinstance(value, Mapping) else {}

    def finding(self, path: FieldPath, message: str, severity: Severity = Severity.ERROR) -> Finding:
        """A finding about a field, at its line, or at that of what should hold it where it is missing."""
        place = (*self.root, *path)
        line = next(self.lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in self.lines)
        return Finding(self.file, line, field_name(place), message, severity)

    def objects(self) -> Iterator["Manifest"]:
        """The objects in it: itself, or what a list holds at any depth."""
        items = list_items(self.value) if isinstance(self.value, Mapping) else None
        if items is None:
            yield self
            return
        for position, item in enumerate(items):
            inner = dataclasses.replace(self, value=item, root=(*self.root, "items", position))
            yield from inner.objects()


def read_documents(text: str, *, file: str) -> tuple[list[Manifest], list[Finding]]:
    """The documents in a text, empty ones left out, and its keys that are given twice.

    Raises:
        UnreadableError: it is not YAML.
    """
    manifests: list[Manifest] = []
    findings: list[Finding] = []
    try:
        _check_depth(text)
        loader = ManifestLoader(text)
        while loader.check_node():
            reader = _Reader(loader)
            manifest = Manifest(file=file, value=reader.read(loader.get_node(), ()), lines=reader.lines)
            if manifest.value is not None:
                manifests.append(manifest)
            findings += [manifest.finding(path, "is given twice") for path in reader.duplicates.values()]
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error).partition("\n")[0]
        raise UnreadableError(mark.line + 1 if mark else 0, f"not YAML: {problem}{_hint(text)}") from error
    except UnreadableError as error:
        raise UnreadableError(error.line, f"not YAML: {error}{_hint(text)}") from error
    return manifests, findings


def _check_depth(text: str) -> None:
    """Refuse what is nested too deeply by its events alone: composing it would overflow the C stack."""
    depth = 0
    for event in yaml.parse(text, Loader=ManifestLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise UnreadableError(_line(event), f"it is nested more than {_MAX_DEPTH} deep")


def _hint(text: str) -> str:
    return " (it looks like a Helm template: lint what `helm template` prints)" if "{{" in text else ""


class _Reader:
    """Turns the nodes of one document into values.

    Attributes:
        lines: the line of each value that was read.
        duplicates: keys that their mapping has already, by the identity of their node.
    """

    def __init__(self, loader: ManifestLoader) -> None:
        self.lines: Final[dict[FieldPath, int]] = {}
        self.duplicates: Final[dict[int, FieldPath]] = {}
        self._loader = loader
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._repeats = 0

    def read(self, node: yaml.Node, path: FieldPath, line: int | None = None) -> Any:
        """The value of a node; `line` is that of its key, if it has one."""
        self._enter(node)
        self.lines[path] = line or _line(node)
        value: Any
        match node:
            case yaml.MappingNode():
                value = self._mapping(node, path)
            case yaml.SequenceNode():
                value = [self.read(item, (*path, position)) for position, item in enumerate(node.value)]
            case _:
                value = self._scalar(node)
        self._open.remove(id(node))
        return value

    def _enter(self, node: yaml.Node) -> None:
        """Refuse what only aliases can make: a value inside itself, endless nesting, endless repetition."""
        if id(node) in self._open:
            raise UnreadableError(_line(node), "an alias stands for what it is part of")
        if len(self._open) > _MAX_DEPTH:
            raise UnreadableError(_line(node), f"it is nested more than {_MAX_DEPTH} deep")
        self._repeats += id(node) in self._seen
        if self._repeats > _MAX_REPEATS:
            raise UnreadableError(_line(node), "its aliases repeat too much")
        self._open.add(id(node))
        self._seen.add(id(node))

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, Any]:
        value: dict[str, Any] = {}
        # Of what is merged the first wins, and over all of it the mapping's own fields.
        for part in reversed([part for key, parts in node.value if key.tag == _MERGE for part in _parts(parts)]):
            value |= self.read(part, path)
        own: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag != _MERGE:
                key = self._key(key_node)
                if key in own:
                    self.duplicates.setdefault(id(key_node), (*path, key))
                own.add(key)
                value[key] = self.read(value_node, (*path, key), _line(key_node))
        return value

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise UnreadableError(_line(node), "a key must be a string")
        value = self._scalar(node)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            value = self._loader.construct_object(node)
        except (ValueError, LookupError, AttributeError) as error:
            # PyYAML's constructors trust the tag: `!!int many` reaches int().
            raise UnreadableError(_line(node), f"{node.value!r} is not of the type {node.tag}") from error
        return value if value is None or isinstance(value, str | int | float) else node.value


def _parts(node: yaml.Node) -> list[yaml.Node]:
    """The mappings that a merge names: one, or a list of them."""
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for part in parts:
        if not isinstance(part, yaml.MappingNode):
            raise UnreadableError(_line(part), "only mappings can be merged by <<")
    return list(parts)


def _line(node: Any) -> int:
    """The line of a node or event, from 1; PyYAML's types say that it may have none, which holds for made ones."""
    return int(node.start_mark.line) + 1
