"""How a judge says that an answer is wrong, or not there yet."""


class Wrong(Exception):
    """An answer that is wrong, told by what it does."""


class NotFilledIn(Exception):
    """An answer that has a blank where a judge alone can see it, such as in a file."""


def require(holds: object, sentence: str) -> None:
    """Raise Wrong with a sentence unless something holds."""
    if not holds:
        raise Wrong(sentence)
