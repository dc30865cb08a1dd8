"""Entry point of the ``taplab`` command."""

import sys


def main() -> None:
    """Runs the command; each of them registers itself when it is imported."""
    try:
        from taplab.cli import bench, calibrate, demo, doctor, evaluate, inspect, models, segment, train  # noqa: F401
        from taplab.cli.app import app

        app()
    except KeyboardInterrupt:  # before a command had begun
        sys.exit(130)
