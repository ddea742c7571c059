"""Reading and writing YAML without the surprises of YAML 1.1.

Plain scalars follow the YAML 1.2 core schema: `1e-5` is a number, only true and false are booleans, and
dates, `010` and `1:30` stay text. A key that stands twice in one mapping is an error instead of a silent overwrite.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from r1kit.core.errors import ConfigError
from r1kit.core.nearest import nearest

_SCALARS: Final = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.inf|\.Inf|\.INF)|\.nan",
        "-+.0123456789",
    ),
    ("tag:yaml.org,2002:merge", r"<<", "<"),
)
"""Tag, pattern and possible first characters of each kind of plain scalar; the first match decides."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars above, and duplicate keys refused."""

    yaml_implicit_resolvers: dict[Any, Any] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    problem = f"{key.value!r} stands twice in one section (first in line {seen[key.value]})"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen[key.value] = line
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, quoting whatever `_Loader` would not read back as text."""

    yaml_implicit_resolvers: dict[Any, Any] = {}

    def ignore_aliases(self, data: Any) -> bool:  # the signature is PyYAML's
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # in single quotes PyYAML writes these line breaks raw and reads them back as spaces
        style = '"' if re.search("[\x85\u2028\u2029]", data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)
for _class in (_Loader, _Dumper):
    for _tag, _pattern, _first in _SCALARS:
        _class.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), list(_first))


def load_yaml(path: Path | str) -> dict[str, Any]:
    """The mapping in a YAML (or JSON) file; an empty file gives an empty one.

    Raises ConfigError when there is no such file, it cannot be read, is not valid YAML (with line and
    column), repeats a key, or holds something other than a mapping.
    """
    values = parse_yaml(_read(Path(path)), str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold fields (key: value lines), not a {type(values).__name__}")
    return values


def parse_yaml(text: str, source: str) -> Any:
    """What a YAML text says; `source` names it in the ConfigError that is raised where it is not valid."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # _Loader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = error.problem or error.context
        raise ConfigError(f"{source}{place}: not valid YAML: {problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from error


def to_yaml(values: Any) -> str:
    """YAML text that `parse_yaml` reads back to the same values, keys in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _read(path: Path) -> str:
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; give a YAML file")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file{_nearest_file(path)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _nearest_file(path: Path) -> str:
    """`; did you mean FILE?` when the folder holds a file of a similar name, else nothing."""
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent} either"
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    close = nearest(path.name, names)
    return f"; did you mean {path.parent / close}?" if close else ""
