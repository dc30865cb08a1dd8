"""Numbers in what people read."""


def counted(number: int, noun: str) -> str:
    """ "1 clip", "2 clips", "0 clips"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_line(error: object) -> str:
    """What it says, or its name if that is nothing."""
    return " ".join(str(error).split()) or type(error).__name__
