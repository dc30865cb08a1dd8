"""Entry point of the ``taplab`` command."""

import sys
from io import TextIOWrapper

from taplab.interrupt import ends_with, exit_status, own_the_process


def main() -> None:
    """Runs the command; each of them registers itself when it is imported."""
    own_the_process()
    _print_any_name()
    try:
        from taplab.cli import (  # noqa: F401
            bench,
            calibrate,
            demo,
            doctor,
            evaluate,
            export,
            inspect,
            models,
            segment,
            train,
        )
        from taplab.cli.app import app

        app()
    except SystemExit as end:
        ends_with(end.code)
        raise
    except KeyboardInterrupt:  # before a command had begun
        print("taplab: interrupted", file=sys.stderr)
        sys.exit(exit_status())


def _print_any_name() -> None:
    """Names that the terminal's encoding does not have must not end a run whose work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # else it is closed, or somebody else's
            stream.reconfigure(errors="backslashreplace")
