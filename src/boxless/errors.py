"""The error a user can cause: one sentence that says what is wrong, where, and what to do."""


class BoxlessError(ValueError):
    """Bad input or a missing extra; the command line prints its message without a traceback."""
