"""``python -m zeroskip``."""

from .cli import main

main()
