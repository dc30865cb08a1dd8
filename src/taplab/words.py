"""Numbers, names, errors and addresses in what people read and write."""

import re
from collections.abc import Iterable
from numbers import Integral, Real

_PASSWORD = re.compile(r"(://[^/\s:@]*):(?!PASSWORD@)[^/\s@]+@")  # but not the word in a remedy


def counted(number: int, noun: str) -> str:
    """ "1 clip", "2 clips", "0 clips"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def is_whole(value: object) -> bool:
    """Is it a whole number?"""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Is it a number, whole or not? Infinity and NaN are."""
    return isinstance(value, Real) and not isinstance(value, bool)


def name_list(names: str | Iterable[str]) -> tuple[str, ...]:
    """Names, also from a text that has commas between them."""
    return tuple(filter(None, map(str.strip, names.split(",")))) if isinstance(names, str) else tuple(names)


def one_line(error: object) -> str:
    """What it says, without passwords, or its name if that is nothing."""
    return without_passwords(" ".join(str(error).split())) or type(error).__name__


def without_passwords(text: str) -> str:
    """Stars in place of the passwords in the URLs that it holds."""
    return _PASSWORD.sub(r"\1:***@", text)
