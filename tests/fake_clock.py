"""A clock that only moves when something runs."""

from __future__ import annotations


class Machine:
    """Has the clock, and remembers what ran."""

    def __init__(self):
        self.now, self.ran = 0.0, []

    def clock(self):
        return self.now

    def job(self, name, *seconds):
        """Takes each of these times in turn, then the last one for ever."""
        left = list(seconds)

        def run():
            self.ran.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run
