"""``python -m hourglass`` is the command ``hourglass``; it belongs to the bench."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line, or say in one line that it is not installed."""
    if find_spec("typer") is None:
        sys.exit("hourglass: the command line needs the bench; run `pip install 'hourglass[bench]'`")
    from hourglass.bench.cli import main as run

    run()


if __name__ == "__main__":
    main()
