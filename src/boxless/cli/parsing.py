"""Command lines to plain values by jsonargparse; what is wrong with one is told in one sentence."""

import re
from argparse import ArgumentError
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Literal

from jsonargparse import ArgumentParser

from boxless.errors import BoxlessError


def new_parser(verb: str, usage: str, description: str) -> ArgumentParser:
    """An empty parser of a verb; options are to be written out."""
    prog = f"boxless {verb}"
    return ArgumentParser(
        prog=prog, usage=f"{prog} {usage}", description=description, exit_on_error=False, allow_abbrev=False
    )


def parse(parser: ArgumentParser, arguments: Sequence[str], defaults: bool = True) -> dict[str, Any]:
    """The values of a command line, by name; ``--help`` prints the help and exits.

    Args:
        parser: of the verb.
        arguments: what stands behind the verb.
        defaults: give the options that are not on the line, too, with their defaults.

    Raises:
        BoxlessError: an option is not known, or a value is missing or of another type.
    """
    try:
        values: dict[str, Any] = parser.parse_args(list(arguments), defaults=defaults).as_dict()
    except ArgumentError as error:
        raise BoxlessError(_told(parser, str(error))) from error
    return values


def positionals(arguments: Sequence[str], flags: Sequence[str]) -> list[str]:
    """The arguments that belong to no option, where every option but the flags takes one value."""
    found, is_value = [], False
    for argument in arguments:
        if is_value:
            is_value = False
        elif argument.startswith("-"):
            is_value = argument not in flags and "=" not in argument
        else:
            found.append(argument)
    return found


def threshold_of(text: str | None) -> float | Literal["auto"] | None:
    """``--threshold``: a score, "auto" for the one that the model was calibrated to, or nothing.

    Raises:
        BoxlessError: it is neither.
    """
    if text is None or text.lower() == "auto":
        return None if text is None else "auto"
    try:
        return float(text)
    except ValueError as error:
        raise BoxlessError(
            f"--threshold takes a score in [0, 1], or auto for the model's own threshold, not {text!r}."
        ) from error


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean ...?" where a known word is close, else nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _told(parser: ArgumentParser, message: str) -> str:
    """jsonargparse's message, which may have many lines, as a sentence in the words of the command line."""
    message = " ".join(message.split())
    seek = f"`{parser.prog} --help` lists what there is."
    if unknown := re.match(r"unrecognized arguments: (.*)", message):
        words = unknown[1].split(" ")
        option = next((word.partition("=")[0] for word in words if word.startswith("-")), None)
        if option is None:
            return f"{' '.join(words)} is too much for {parser.prog}; {seek}"
        options = [name for name in parser._option_string_actions if name.startswith("--")]
        return f"There is no option {option}{did_you_mean(option, options) or '; ' + seek}"
    if missing := re.match(r"argument (.*?): expected .*", message):
        return f"{missing[1]} needs a value; {seek}"
    if wrong := re.match(r'Parser key "(.*?)": .*(?:Got|Given) value: (.*)', message):
        return f"--{wrong[1]} does not take {wrong[2]!r}; {seek}"
    return f"{message.removesuffix('.')}; {seek}"
