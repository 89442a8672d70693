"""Classes that combine the values of attributes, as "cube red large" of a shape, a colour and a size."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

Attributes = dict[str, tuple[str, ...]]
"""The values of each attribute; a class is a value of each, the last attribute's changing first from class to class."""


def combinations(attributes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The names of the classes, in order: the values, with a blank between them. Of no attribute there is none."""
    return tuple(" ".join(values) for values in product(*attributes.values())) if attributes else ()


def attributes_from(info: Any, class_names: Sequence[str]) -> Attributes:
    """The attributes that the ``info`` of a COCO file names, where they make these classes; else none."""
    named = info.get("attributes") if isinstance(info, dict) else None
    if not isinstance(named, dict) or not all(isinstance(values, list) for values in named.values()):
        return {}
    attributes = {name: tuple(map(str, values)) for name, values in named.items()}
    as_many = prod(map(len, attributes.values())) == len(class_names)  # or there may be too many to write down
    return attributes if as_many and combinations(attributes) == tuple(class_names) else {}
