"""How a judge says that an answer is wrong, not there yet, or that it cannot be judged here."""


class Wrong(Exception):
    """An answer that is wrong, told by what it does."""


class NotFilledIn(Exception):
    """An answer that has a blank where a judge alone can see it, such as in a file."""


class Unjudged(Exception):
    """What answers is not AWS, and lacks what would show whether an answer is right."""


def require(holds: object, sentence: str) -> None:
    """Raise Wrong with a sentence unless something holds."""
    if not holds:
        raise Wrong(sentence)
