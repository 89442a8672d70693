"""Dataclasses from plain values (YAML, JSON), checked strictly: configurations are data, never code."""

import dataclasses
import reprlib
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

from boxless.errors import BoxlessError

T = TypeVar("T")

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 200


def shown(value: Any) -> str:
    """A value for a message, cut short: a few bytes of YAML can be lists of lists of lists without end."""
    return _short.repr(value)


def from_plain(kind: type[T], values: Any, where: str) -> T:
    """Build a dataclass, nested ones too, from a mapping of plain values.

    Args:
        kind: the dataclass.
        values: a mapping of field names; fields left out keep their defaults.
        where: the file or option, for the message.

    Raises:
        BoxlessError: a name is not known, a value has another type, or the dataclass itself refuses them.
    """
    if not isinstance(values, Mapping):
        raise BoxlessError(f"{where} holds {shown(values)}, where names and values are needed.")
    hints = typing.get_type_hints(kind)
    known = {field.name: field for field in dataclasses.fields(typing.cast(Any, kind))}
    unknown = [str(name) for name in values if name not in known]
    if unknown:
        raise BoxlessError(f"{where} has the unknown {', '.join(unknown)}; known are {', '.join(known)}.")
    required = (dataclasses.MISSING, dataclasses.MISSING)
    missing = [n for n, f in known.items() if n not in values and (f.default, f.default_factory) == required]
    if missing:
        raise BoxlessError(f"{where} lacks {', '.join(missing)}; add it.")
    arguments = {name: _converted(hints[name], value, f"{where}: {name}") for name, value in values.items()}
    try:
        return kind(**arguments)
    except ValueError as error:
        raise BoxlessError(f"{where}: {error}") from error


def _converted(hint: Any, value: Any, where: str) -> Any:
    """The value as the type asked for; lists become tuples, whole numbers become floats where floats are asked for."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            if type(None) in get_args(hint):
                return None
            raise _wrong(hint, value, where)
        (hint,) = (option for option in get_args(hint) if option is not type(None))
        return _converted(hint, value, where)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_converted(get_args(hint)[0], item, where) for item in value)
    if origin is typing.Literal and value in get_args(hint):
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value, where)
    if hint is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:  # not nan either
        return float(value)
    if hint is not float and isinstance(hint, type) and type(value) is hint:
        return value
    raise _wrong(hint, value, where)


def _wrong(hint: Any, value: Any, where: str) -> BoxlessError:
    if get_origin(hint) is typing.Literal:
        *others, last = (f'"{choice}"' for choice in get_args(hint))
        choices = f"{', '.join(others)} or {last}" if others else last
        return BoxlessError(f"{where} is {shown(value)}, which is not {choices}.")
    return BoxlessError(f"{where} is {shown(value)}, which is no {getattr(hint, '__name__', hint)}.")
