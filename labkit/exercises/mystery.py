"""A mystery: one thing in the lab is broken, by a seed; it is to be found, named and fixed, and the doctor confirms.

What was broken is in the journal. `catch_up` makes it whole again, and so nothing outlives clean-up. No case opens
anything to anybody: each takes away, or narrows, what the lab needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from labkit.branch import Branch
from labkit.errors import LabError, aws_errors
from labkit.insight.doctor import OF_BRANCH, SHARED, Diagnosis, doctor
from labkit.lab import Lab
from labkit.resources import Function, Notification, QueuePolicy, TopicPolicy, Trigger
from labkit.resources.bucket import bucket_of
from labkit.result import Result, counted, html_prose
from labkit.waiting import wait_until

CASE, HINT, GUESS = "case", "hint", "guess"  # kinds of the journal's answers
PLACES = ("notification", "topic", "topic policy", *(name for name in OF_BRANCH if name not in ("redrive", "result")))
DISABLED_WITHIN_S = 120


@dataclass(frozen=True)
class Case:
    """One way of breaking a lab: the hop where the doctor finds it, how hard it is to find, its hints, its story."""

    name: str
    hop: str
    difficulty: str
    hints: tuple[str, str, str]
    story: str
    break_it: Callable[[Lab, Branch], None]

    @property
    def of_branch(self) -> bool:
        """Whether one branch alone is concerned."""
        return self.hop not in SHARED


def _disable_trigger(lab: Lab, branch: Branch) -> None:
    trigger = Trigger.in_branch(lab, branch)
    lab.client("lambda").update_event_source_mapping(UUID=(trigger.read() or {})["UUID"], Enabled=False)
    wait_until(
        lambda: (trigger.read() or {})["State"] == "Disabled",
        what="the trigger to be changed",
        seconds=DISABLED_WITHIN_S,
    )


def _other_suffix(lab: Lab, branch: Branch) -> None:  # noqa: ARG001
    rule = next(Notification.of(lab))
    filters = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "ingest/"}, {"Name": "suffix", "Value": ".jpeg"}]}}
    after = rule.with_own(rule.configuration(), rule.rule(Filter=filters))
    lab.client("s3").put_bucket_notification_configuration(Bucket=bucket_of(lab).name, NotificationConfiguration=after)


def _other_topic(lab: Lab, branch: Branch) -> None:
    policy = QueuePolicy.in_branch(lab, branch)
    document = json.dumps(policy.document()).replace(lab.definition.topic_arn, f"{lab.definition.topic_arn}-old")
    lab.client("sqs").set_queue_attributes(QueueUrl=policy.queue.url(), Attributes={"Policy": document})


def _other_handler(lab: Lab, branch: Branch) -> None:
    function, handler = Function.in_branch(lab, branch), f"{branch.name}.handle"
    configure = lab.client("lambda").update_function_configuration
    function.update(lambda: configure(FunctionName=function.name, Handler=handler))


def _other_bucket(lab: Lab, branch: Branch) -> None:  # noqa: ARG001
    policy = next(TopicPolicy.of(lab))
    document = json.dumps(policy.document()).replace(lab.definition.bucket_arn, f"{lab.definition.bucket_arn}-old")
    lab.client("sns").set_topic_attributes(TopicArn=policy.arn, AttributeName="Policy", AttributeValue=document)


CASES = (
    Case(
        "a trigger is disabled",
        "trigger",
        "easy",
        (
            "Two of the three pictures come. So what all branches share is sound: look at one branch alone.",
            "`queue_depths(lab)`: in one queue the message waits, and nobody receives it.",
            "Lambda's pollers are what takes messages from a queue. Ask `list_event_source_mappings` for their State.",
        ),
        "Its event source mapping was disabled: the messages waited, and nothing was lost.",
        _disable_trigger,
    ),
    Case(
        "the rule hears another suffix",
        "notification",
        "easy",
        (
            "No picture comes, in no branch. So it lies before the news is copied for the queues.",
            "`queue_depths(lab)` is empty, and the logs say nothing: no news ever left the bucket.",
            "Compare the photo's key with the bucket's rule: `get_bucket_notification_configuration`.",
        ),
        "The rule on the bucket wanted `.jpeg`, and S3 says nothing of what no rule hears.",
        _other_suffix,
    ),
    Case(
        "a queue lets another topic in",
        "queue policy",
        "medium",
        (
            "Two of the three pictures come: look at one branch alone.",
            "`queue_depths(lab)`: nothing waits in that branch, and nothing is in flight. The news never got there.",
            "The subscription is there. Who may send to the queue? Ask `get_queue_attributes` for its Policy.",
        ),
        "The queue's policy named another topic, so that SNS was refused, silently.",
        _other_topic,
    ),
    Case(
        "a handler has another name",
        "function",
        "medium",
        (
            "Two of the three pictures come: look at one branch alone.",
            "`queue_depths(lab)`: the message there is in flight, comes back, and is in flight again.",
            "Somebody takes it and fails. `read_logs(lab, ...)` of that function says of what.",
        ),
        "Its handler named a function that its file does not have: every call failed at once.",
        _other_handler,
    ),
    Case(
        "the topic lets another bucket in",
        "topic policy",
        "hard",
        (
            "No picture comes, in no branch. So it lies before the news is copied for the queues.",
            "The bucket's rule is as it was, and names the right topic. S3 tries, and is refused.",
            "On whose behalf may S3 publish? Ask `get_topic_attributes` for the Policy, and read its conditions.",
        ),
        "The topic's policy let S3 publish on behalf of another bucket. S3 keeps such a refusal to itself.",
        _other_bucket,
    ),
)


@dataclass(frozen=True)
class Said(Result):
    """A sentence about the case."""

    words: str
    solved: bool = False

    def sentence(self) -> str:
        """It."""
        return self.words

    def _html(self) -> str:
        return f"<p>{html_prose(self.words)}</p>"

    def _text(self) -> str:
        return self.words.replace("`", "")


@dataclass(frozen=True)
class Mystery(Result):
    """A case that is open."""

    seed: int
    difficulty: str

    def sentence(self) -> str:
        """What is known: something is broken."""
        return (
            f"Case {self.seed} ({self.difficulty}): one thing in this lab is broken now, and nobody was told. "
            "Upload a photo, see what comes, and find the place."
        )

    def headers(self) -> Sequence[str]:
        """One row a tool."""
        return ("what you have", "what it tells")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a tool."""
        yield "upload_photo(lab, ...), list_results(lab)", "what comes out, and what does not"
        yield "queue_depths(lab)", "where messages wait, or are in flight"
        yield "read_logs(lab, NAME)", "what a function says of its calls"
        yield "case_hint(lab)", "a hint; hints are counted"
        yield "name_fault(lab, PLACE, NAME)", "whether you have found it"
        yield "close_case(lab)", "whether it is fixed: the doctor looks"


@aws_errors("breaking something")
def break_something(lab: Lab, seed: int = 1) -> Mystery:
    """Break one thing of a lab that works, chosen by the seed: the same for everybody who gives the same one.

    Seeds go through the cases one by one, and through the branches; a case that is open stays as it is. Raises LabError
    if another one is, or if the lab does not work now.
    """
    found, last = doctor(lab), _last(lab)
    case, branch = chosen(lab, seed)
    if last is not None and _finds(found, *chosen(lab, last)):
        if last == seed:
            return Mystery(seed, case.difficulty)
        raise LabError(  # which does not say where: that is to be found
            f"Case {last} is still open.",
            where="breaking something",
            hint="Fix it, then close_case(lab). If you give it up: catch_up(lab, to=4) puts it right.",
            code="missing-step",
        )
    if found.first is not None:
        raise LabError(
            f"Something is wrong already: {found.first.title}.",
            where="breaking something",
            hint="catch_up(lab, to=4) puts it right.",
            code="missing-step",
        )
    lab.journal.answered(CASE, str(seed), verdict="broken", what=case.name, function=branch.name)
    case.break_it(lab, branch)
    return Mystery(seed, case.difficulty)


def chosen(lab: Lab, seed: int) -> tuple[Case, Branch]:
    """The case of a seed, and the branch that it concerns, if it concerns one."""
    return CASES[seed % len(CASES)], lab.branches[seed // len(CASES) % len(lab.branches)]


def case_hint(lab: Lab) -> Said:
    """The next hint on the open case; each is counted. Raises LabError if no case is open."""
    seed, case, _ = _open(lab)
    given = _count(lab, HINT, seed)
    if given >= len(case.hints):
        return Said(f"There are no more hints than these {len(case.hints)}: `doctor(lab)` tells the rest.")
    lab.journal.answered(HINT, str(seed), verdict="given", number=str(given + 1))
    return Said(f"Hint {given + 1} of {len(case.hints)}: {case.hints[given]}")


def name_fault(lab: Lab, place: str, function: str = "") -> Said:
    """Name the place of the open case, such as `trigger` of `CreateWebImage`; the answer says how near that is.

    Raises LabError for a place that there is not, and if no case is open.
    """
    seed, case, branch = _open(lab)
    if place not in PLACES:
        raise LabError(f"There is no place {place!r}.", hint=f"There are {', '.join(PLACES)}.", code="bad-option")
    wanted = branch.name if case.of_branch else ""
    named = f"the {place}{f' of {function}' if function else ''}"
    if (place, function) == (case.hop, wanted):
        word, said = "right", f"Right, it is {named}. Now fix it, and let the doctor look: `close_case(lab)`."
    elif place == case.hop and case.of_branch:
        word, said = "wrong", f"The right kind of place; but not {named}. Which picture did not come?"
    elif case.of_branch and function == wanted:
        word, said = "wrong", f"The right branch; but it is not {named}."
    else:
        word, said = "wrong", f"No, it is not {named}. Which pictures came, and which did not?"
    lab.journal.answered(GUESS, str(seed), verdict=word, place=place, function=function)
    return Said(said, word == "right")


def close_case(lab: Lab) -> Said:
    """Let the doctor look whether the open case is fixed; if it is, its story is told. Raises LabError if none is."""
    seed, case, branch = _open(lab)
    if _finds(doctor(lab), case, branch):
        return Said("Not yet: the doctor still finds it broken. It is not told where; `case_hint(lab)` helps.")
    hints, guesses = _count(lab, HINT, seed), _count(lab, GUESS, seed)
    lab.journal.answered(CASE, str(seed), verdict="solved", hints=str(hints), guesses=str(guesses))
    where = f"the {case.hop}{f' of {branch.name}' if case.of_branch else ''}"
    tried = f"{counted(hints, 'hint')} and {counted(guesses, 'guess' if guesses == 1 else 'guesse')}"
    return Said(f"Case {seed} is closed, with {tried}. It was {where}. {case.story}", solved=True)


def _finds(found: Diagnosis, case: Case, branch: Branch) -> bool:
    """Whether the doctor finds what a case has broken."""
    return any(
        hop.state == "broken" and hop.name == case.hop and hop.function in ("", branch.name) for hop in found.hops
    )


def _last(lab: Lab) -> int | None:
    """The seed of the case that is open, by the journal."""
    last = next(iter(lab.journal.answers(CASE)[::-1]), None)
    return int(last.name) if last is not None and last.facts["verdict"] == "broken" else None


def _open(lab: Lab) -> tuple[int, Case, Branch]:
    seed = _last(lab)
    if seed is None:
        raise LabError("No case is open.", hint="break_something(lab, seed=7) opens one.", code="missing-step")
    return seed, *chosen(lab, seed)


def _count(lab: Lab, kind: str, seed: int) -> int:
    """How many hints or guesses there were since the case was opened last."""
    count = 0
    for one in lab.journal.answers():
        if one.kind == CASE and one.facts["verdict"] == "broken":
            count = 0
        elif (one.kind, one.name) == (kind, str(seed)):
            count += 1
    return count
