"""One self-contained HTML page about a suite's results."""
