"""How a judge says that an answer is wrong."""


class Wrong(Exception):
    """An answer that is wrong, told by what it does."""


def require(holds: object, sentence: str) -> None:
    """Raise Wrong with a sentence unless something holds."""
    if not holds:
        raise Wrong(sentence)
