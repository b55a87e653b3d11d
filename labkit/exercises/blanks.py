"""What stands in a student's notebook where something is to be written, and says so wherever it is used."""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType
from typing import Any, NoReturn

from labkit.errors import LabError

HINT = "Go back to the cell that ends in `# your turn`, write your own in its place, and run it."


class Blank:
    """A value that is still to be written: whatever is done with it, it says that in a sentence."""

    def __init__(self, name: str) -> None:
        self.__dict__["name"] = name

    def __repr__(self) -> str:
        return f"The blank `{self.name}` is not filled in yet."

    def _refuse(self, *_: object) -> NoReturn:
        raise LabError(repr(self), hint=HINT, code="missing-step")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # Python and Jupyter ask whether there is such a thing
            raise AttributeError(name)
        self._refuse()

    __getitem__ = __call__ = __iter__ = __len__ = __add__ = __radd__ = __contains__ = _refuse


def blank(name: str) -> Any:
    """What students' notebooks have instead of an answer of that name."""
    return Blank(name)


def unfilled(value: Any, where: str = "") -> str:
    """The name of the first blank in an answer, `...` being one too; an empty text if all of it is filled in."""
    if isinstance(value, Blank):
        return str(value.name)
    if isinstance(value, EllipsisType):
        return where or "..."
    if isinstance(value, Mapping):
        return next(filter(None, (unfilled(one, str(name)) for name, one in value.items())), "")
    if isinstance(value, list | tuple | set):
        return next(filter(None, (unfilled(one, where) for one in value)), "")
    return ""
