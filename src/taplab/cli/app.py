"""The commands of ``taplab`` and what they share: reporting errors in one line."""

import functools
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import typer

from taplab import __version__
from taplab.errors import SettingError, TaplabError
from taplab.interrupt import exit_status, is_interrupt
from taplab.words import one_line

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    name="taplab",
    help="Semantic video segmentation, several times faster, from what the compressed stream already knows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its columns cut long names off at 80 characters
)


def reported(command: Callable[P, R]) -> Callable[P, R]:
    """Turns errors into one line on stderr and exit status 1, or 2 for settings; -v shows the traceback before it."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:
            sys.stderr.close()  # or the interpreter complains about stdout at its end
            raise typer.Exit(1) from None
        except (TaplabError, OSError, MemoryError) as error:
            if kwargs.get("verbose"):
                traceback.print_exc()
            _report(f"out of memory: {error}; smaller pictures take less" if isinstance(error, MemoryError) else error)
            raise typer.Exit(2 if isinstance(error, SettingError) else 1) from None
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if is_interrupt(error):
                print("taplab: interrupted", file=sys.stderr)
                raise typer.Exit(exit_status()) from None
            if kwargs.get("verbose"):
                traceback.print_exc()
            _report(
                f"{type(error).__name__}: {error}; this is a fault of taplab: please report it, with the output of -v"
            )
            raise typer.Exit(1) from None

    return run


@contextmanager
def interruption_told(kept: Callable[[], str], *, by_me: bool = True) -> Iterator[None]:
    """At Ctrl-C or SIGTERM in here, what is ``kept`` is told in one line, if it is for this process to tell. Exits."""
    try:
        yield
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interrupt(error):
            raise
        if by_me:
            print(f"taplab: interrupted; {kept()}", file=sys.stderr)
        raise typer.Exit(exit_status()) from None


def _report(error: object) -> None:
    print(f"taplab: error: {one_line(error)}", file=sys.stderr)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"taplab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass
