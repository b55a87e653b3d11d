"""Step 2, at its end: alarms that tell when a message dies, or when nobody takes the messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labkit.errors import aws_errors
from labkit.lab import Lab
from labkit.resources import AgeAlarm, DeadLetterAlarm, judge_settled
from labkit.resources.alarm import UNAVAILABLE, AnyAlarm
from labkit.result import Checks, Result, Table, counted


@dataclass(frozen=True)
class Alarm(Result):
    """An alarm of the lab; where there can be none, `refusal` says why."""

    name: str
    arn: str
    watches: str
    meaning: str
    made: bool
    refusal: str = ""

    def sentence(self) -> str:
        if self.refusal:
            return f"There are no alarms here: {self.refusal}. The lab goes on without."
        return f"The alarm {self.name} {'is made' if self.made else 'was there already'}."

    def console(self) -> Sequence[str]:
        return (f"Successfully created alarm {self.name}.",) if self.made else ()

    def rows(self) -> Iterable[Sequence[object]]:
        yield "name", self.name
        yield "goes off when", self.watches
        yield "which means that", self.meaning
        yield "ARN", self.arn


@aws_errors("making the alarms")
def create_alarms(lab: Lab, *, tell: str | None = None) -> Table[Alarm]:
    """Make two alarms for each branch: one on its dead letters, one on the age of the oldest message in its queue.

    `tell` is the ARN of a topic that they publish to when they change between OK and ALARM. Calling it again changes
    nothing but an alarm that watches something else. Where there is no CloudWatch, or the credentials may not use it,
    nothing is made and the table says so. Raises LabError.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Alarms.html
    """
    kinds: tuple[type[AnyAlarm], ...] = (DeadLetterAlarm, AgeAlarm)
    alarms = tuple(_create(kind.in_branch(lab, branch), tell) for branch in lab.branches for kind in kinds)
    refusal = next((alarm.refusal for alarm in alarms if alarm.refusal), "")
    said = f"{counted(len(alarms), 'alarm')}, {sum(alarm.made for alarm in alarms)} of them newly made."
    if tell:
        said += f" They tell {tell.rsplit(':', 1)[-1]}."
    return Table(
        () if refusal else alarms,
        alarms[0].sentence() if refusal else said,
        {
            "alarm": lambda alarm: alarm.name,
            "goes off when": lambda alarm: alarm.watches,
            "which means that": lambda alarm: alarm.meaning,
        },
    )


def _create(alarm: AnyAlarm, tell: str | None) -> Alarm:
    found = alarm.read()
    metric, threshold = alarm.watched
    watches = f"{metric} of {alarm.queue.name} is {threshold:g} or more"
    if found is not None and UNAVAILABLE in found:
        return Alarm(alarm.name, alarm.arn, watches, alarm.meaning, False, found[UNAVAILABLE])
    made = alarm.create(found)
    if found is not None or tell:
        alarm.put_right(found or alarm.read() or {}, tell)
    return Alarm(alarm.name, alarm.arn, watches, alarm.meaning, made)


@aws_errors("checking the alarms")
def check_alarms(lab: Lab) -> Checks:
    """Look at each alarm: whether it is there, and watches what the lab makes it watch. Changes nothing.

    Where there is no CloudWatch, each line says so, and none fails.
    """
    return Checks("alarms", judge_settled(lab, DeadLetterAlarm, AgeAlarm))
