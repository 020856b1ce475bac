"""Numbers as sentences have them."""


def counted(number: int, *, one: str) -> str:
    """How many there are of something: ``1 file``, ``2 files``.

    Args:
        number: How many.
        one: Its name in the singular, whose plural ends in s.
    """
    return f"{number} {one if number == 1 else f'{one}s'}"


def readable(size: float) -> str:
    """A number of bytes for people: ``2.97 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"
