"""Lengths of time as people write them: 90s, 30m, 1h30m."""

import re

from boxless.errors import BoxlessError

SECONDS = {"h": 3600, "m": 60, "s": 1}


def seconds_of(text: str) -> float:
    """Seconds of "90s", "30m", "1.5h" or "1h30m".

    Raises:
        BoxlessError: it is no such text, or no time at all.
    """
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([hms])", text)
    seconds = sum(float(number) * SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise BoxlessError(f"{text!r} is no length of time; write 90s, 30m or 1h30m.")
    return seconds


def written(seconds: float) -> str:
    """ "1 h 02 min", "5 min 03 s" or "12 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
