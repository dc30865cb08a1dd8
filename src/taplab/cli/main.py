"""Entry point of the ``taplab`` command."""

import sys


def main() -> None:
    """Runs the command; each of them registers itself when it is imported."""
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
    except KeyboardInterrupt:  # before a command had begun
        sys.exit(130)
