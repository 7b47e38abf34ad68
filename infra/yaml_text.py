"""YAML as people write it: a key that is given twice is a mistake, not a change of mind."""

from typing import Any

import yaml


class KeyTwiceError(yaml.YAMLError):
    """A mapping gives a key twice."""


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if first := lines.get((key.tag, key.value)):
                places = f"lines {first} and {line}" if line > first else f"line {line}"
                raise KeyTwiceError(f"the key `{key.value}` is given twice, in {places}")
            lines[key.tag, key.value] = line
        return node


def load_yaml(text: str) -> Any:
    """What a YAML text says.

    Raises:
        KeyTwiceError: a key is given twice; the message has the lines.
        yaml.YAMLError: it is no YAML.
    """
    return yaml.load(text, Loader=_Loader)
