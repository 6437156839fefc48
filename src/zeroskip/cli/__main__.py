"""``python -m zeroskip.cli``."""

from . import main

main()
