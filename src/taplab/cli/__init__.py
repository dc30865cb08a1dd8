"""The command line: one file a command, none of them imported before it is called for."""

from taplab.cli.app import main

__all__ = ["main"]
