"""Numbers, errors and addresses in what people read."""

import re

_PASSWORD = re.compile(r"(://[^/\s:@]*):(?!PASSWORD@)[^/\s@]+@")  # but not the word in a remedy


def counted(number: int, noun: str) -> str:
    """ "1 clip", "2 clips", "0 clips"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_line(error: object) -> str:
    """What it says, without passwords, or its name if that is nothing."""
    return without_passwords(" ".join(str(error).split())) or type(error).__name__


def without_passwords(text: str) -> str:
    """Stars in place of the passwords in the URLs that it holds."""
    return _PASSWORD.sub(r"\1:***@", text)
