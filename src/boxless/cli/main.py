"""The command ``boxless``: finds the verb, and turns what goes wrong into one line and an exit code."""

import errno
import io
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

from boxless import __version__
from boxless.errors import BoxlessError

VERBS = {
    "demo": "train on scenes of handwritten digits, from scratch, in minutes",
    "train": "learn to find objects from counts, from sets of classes, or from images alone",
    "detect": "find, count and name the objects of images",
    "transcribe": "read what is written in images, character by character",
    "evaluate": "compare a model with the truth: a table and a report",
    "export": "write a model as a file for other runtimes (ONNX)",
    "calibrate": "choose anew the score from which a model counts",
    "reproduce": "the papers' tables, ours beside theirs",
    "prepare": "a public set of images to folders that train reads",
}

USER_ERROR, INTERRUPTED, PIPE_CLOSED = 2, 130, 141
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # whose errors often name no file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        The exit code: 0, 1 where a verb read nothing, 2 for an error of the user, 130 after an interrupt.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")  # Pillow's; we say it in our words
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files are whatever bytes they are
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except BoxlessError as error:
        _tell(str(error))
        return USER_ERROR
    except KeyboardInterrupt as interrupt:
        _tell(str(interrupt) or "interrupted.")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if error.filename is None and error.errno not in NO_ROOM:
            raise
        place = "a file" if error.filename is None else error.filename
        _tell(f"{place} cannot be used ({error.strerror}); check the name, the rights and the disk.")
        return USER_ERROR


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0
    if words[0] == "--version":
        print(f"boxless {__version__}")
        return 0
    verb = words[0]
    if verb not in VERBS:
        from boxless.cli.parsing import did_you_mean

        raise BoxlessError(f"There is no verb {verb}; the verbs are {', '.join(VERBS)}{did_you_mean(verb, VERBS)}")
    from boxless.allocator import keep_freed_memory

    keep_freed_memory()
    code: int = import_module(f"boxless.cli.{verb}").run(words[1:])
    return code


def _help() -> str:
    verbs = "\n".join(f"  {verb:<11}{purpose}" for verb, purpose in VERBS.items())
    return (
        "usage: boxless VERB [options]\n\n"
        "Find, count and classify every object in an image, learning without a single box.\n\n"
        f"{verbs}\n\n"
        "boxless VERB --help lists the options of a verb; boxless --version names the version."
    )


def _tell(sentence: str) -> None:
    print(f"boxless: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
