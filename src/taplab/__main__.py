"""``python -m taplab``."""

from taplab.cli import main

main()
