"""How a resource stands: lines that hold what it should be against what it is, each with a verdict.

The checks print these lines, the map draws them, the doctor walks them, the grade counts them: one judgement for all.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from labkit.result import Check, Verdict

if TYPE_CHECKING:
    from labkit.lab import Lab
    from labkit.resources.resource import Resource

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)  # from the best to the worst
WORKS, DIFFERENT, RISKY, UNDERWAY, MISSING, BROKEN = VERDICTS
SETTLED_WITHIN = timedelta(minutes=1)  # by then AWS shows what was written
JUST_CHANGED = "It was just changed: AWS may show that a moment later."
AT_ONCE = 6  # readings under way together: a client has ten connections


@dataclass(frozen=True)
class Line(Check):
    """One line of a judgement.

    `hop` is where on a photo's way it lies, `branch` the branch (empty for what all share), `fix` what helps, in words;
    `call` is empty where only a person can do it. `consequence` is true if it only follows from something else that is
    missing, `hole` if it lets someone in, or lets someone do more, who should not.
    """

    hop: str = ""
    branch: str = ""
    fix: str = ""
    consequence: bool = False
    hole: bool = False


def worst(lines: Iterable[Line]) -> Verdict:
    """The worst verdict of some lines; `works` if there are none."""
    return max((line.verdict or WORKS for line in lines), key=VERDICTS.index, default=WORKS)


@dataclass(frozen=True)
class About:
    """What the lines of one resource have in common: the subject's beginning, the hop and the branch."""

    hop: str
    branch: str = ""
    subject: str = ""

    def works(self, subject: str, found: object, expected: object = None, *, evidence: str = "") -> Line:
        """A line on what is as it should be."""
        wanted = found if expected is None else expected
        return Line(
            self.subject + subject,
            True,
            str(wanted),
            str(found),
            verdict=WORKS,
            evidence=evidence,
            hop=self.hop,
            branch=self.branch,
        )

    def line(
        self,
        subject: str,
        passed: bool,
        expected: object,
        found: object,
        *,
        otherwise: Verdict = DIFFERENT,
        hint: str = "",
        evidence: str = "",
        works: str = "",
        fix: str = "",
        call: str = "",
        consequence: bool = False,
        hole: bool = False,
    ) -> Line:
        """A line that passes, with `works` as its evidence, or has the verdict `otherwise` with evidence, fix, call."""
        if passed:
            return self.works(subject, found, expected, evidence=works)
        said = "nothing" if found is None else str(found)
        hint = hint or (f"{call}." if call else fix)
        evidence = evidence or f"{self.subject}{subject} is {said}, not {expected}."
        return Line(
            self.subject + subject,
            False,
            str(expected),
            said,
            hint,
            otherwise,
            evidence,
            call,
            self.hop,
            self.branch,
            fix or hint,
            consequence,
            hole,
        )

    def equal(self, subject: str, expected: object, found: object, **more: Any) -> Line:
        """A line that passes if two values are the same."""
        return self.line(subject, expected == found, expected, found, **more)

    def missing(self, subject: str, name: str, step: int, *, evidence: str = "", consequence: bool = False) -> Line:
        """The line for something that is not there at all."""
        return self.line(
            subject,
            False,
            name,
            "nothing of that name",
            otherwise=MISSING,
            hint=f"catch_up(lab, to={step}) makes it.",
            evidence=evidence or f"There is no {self.hop} {name}.",
            fix=f"Step {step} makes it.",
            call=f"catch_up(lab, to={step})",
            consequence=consequence,
        )


class Snapshot:
    """One reading of a lab in AWS: each resource is read once, however many lines ask for it.

    What fails and was written within the last minute is said to be just changed: AWS may still answer with what was
    before. On the embedded AWS, where one process keeps all records, nothing lags.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.just_changed = lab.journal.just_written(SETTLED_WITHIN) if lab.definition.where != "local" else set()
        self._found: dict[tuple[str, str], Any] = {}
        self._lines: dict[tuple[str, str, str], tuple[Line, ...]] = {}

    def read(self, resource: Resource) -> Any:
        """What AWS has of a resource, see its `read`; None if there is nothing."""
        if resource.key not in self._found:
            self._found[resource.key] = resource.read()
        return self._found[resource.key]

    def read_ahead(self, resources: Iterable[Resource]) -> None:
        """Read these now, several at a time: from far away AWS answers six questions as soon as one.

        What it refuses is asked again by whoever needs it, and told there.
        """
        # A policy is read with what it is put on.
        groups: dict[object, list[Resource]] = {}
        for one in {one.key: one for one in resources if one.planned and one.key not in self._found}.values():
            groups.setdefault(one.kind if one.told_together else one.key, []).append(one)
        with ThreadPoolExecutor(AT_ONCE) as readers:
            asked = [readers.submit(copy_context().run, type(of[0]).read_together, of) for of in groups.values()]
        for of, reading in zip(groups.values(), asked, strict=True):
            if reading.exception() is None:
                self._found |= zip([one.key for one in of], reading.result(), strict=True)

    def judge(self, resource: Resource) -> tuple[Line, ...]:
        of_branch = (*resource.key, resource.branch.name if resource.branch else "")
        if of_branch not in self._lines:
            lines = tuple(resource.judge(self))
            if resource.key in self.just_changed:
                lines = tuple(line if line.passed else _just_changed(line) for line in lines)
            self._lines[of_branch] = lines
        return self._lines[of_branch]


def _just_changed(line: Line) -> Line:
    return replace(line, evidence=f"{line.evidence} {JUST_CHANGED}".lstrip())
