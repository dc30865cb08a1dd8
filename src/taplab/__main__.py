"""``python -m taplab``."""

from taplab.cli.main import main

main()
