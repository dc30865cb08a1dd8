"""Errors of code that the user brings are told as such, not as faults of taplab."""

from collections.abc import Collection, Generator
from contextlib import contextmanager
from textwrap import shorten

import numpy as np

from taplab.errors import ModelError, TaplabError

_LONGEST = 300  # characters of an error of a user's code


@contextmanager
def blamed(name: str, remedy: str = "", about: Collection[str] = ()) -> Generator[None]:
    """Whatever a user's code raises becomes a ModelError of one line, with type and text, and what may help.

    about: words; the remedy is for errors that say one of them.
    """
    try:
        yield
    except TaplabError:
        raise
    except Exception as error:
        told = shorten(f"{type(error).__name__}: {error}".removesuffix(": "), _LONGEST)
        helps = remedy and (not about or any(word in str(error).lower() for word in about))
        raise ModelError(f"{name}: raised {told}{f'; {remedy}' if helps else ''}") from error


def described(found: object) -> str:
    """What a user's code returned: "float32 [2, 360, 480]", "NoneType"."""
    shape = getattr(found, "shape", None)
    kind = f"{found.dtype}" if isinstance(found, np.ndarray) else type(found).__name__
    return kind if shape is None else f"{kind} {list(shape)}"
