"""The doctor walks the way of a photo, hop by hop, and names the first hop that is broken, and what mends it.

It only reads. Where the checks of the steps ask "is this as the step made it?", the doctor asks "would a photo get
through here?": a policy that is worded differently and lets S3 in is healthy, one that names another bucket is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from labkit import policy
from labkit.errors import WaitedTooLong, error_code, telling
from labkit.insight.logs import FunctionLogs, Request, read_logs
from labkit.insight.survey import queue_depth
from labkit.lab import Lab
from labkit.packages import build_package
from labkit.result import Result, counted
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX, MAX_RECEIVE_COUNT, NOTIFICATION_NAME, FunctionSettings
from labkit.steps.functions import PARTIAL_BATCH, find_trigger, function_configuration
from labkit.steps.making import found_or_none, parsed
from labkit.steps.notification import bucket_exists, find_notification, rule_filters, s3_publishes
from labkit.steps.queues import find_subscription, queue_arn, queue_attributes, queue_url, topic_sends
from labkit.steps.roles import TRUST, role_policy
from labkit.steps.topic import topic_arn, topic_attributes
from labkit.waiting import wait_until

WORKS, RISKY, UNDERWAY, BROKEN = "works", "risky", "underway", "BROKEN"
# S3 sends its events within seconds as a rule, "sometimes a minute or longer".
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
S3_TAKES_ITS_TIME = timedelta(minutes=1)
SHORT = 60  # characters of a call that fit into a table
CREATED = ("s3:ObjectCreated:*", "s3:ObjectCreated:Put")
# Reading somebody else's role can be forbidden; then nothing is said about it.
FORBIDDEN = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


@dataclass(frozen=True)
class Hop(Result):
    """One stretch of the way: its state, the evidence for it, and what mends it.

    `state` is `works`, `risky` (it works today), `underway` or `BROKEN`. `function` is the branch, empty for what all
    three share. `call` is one line of Python that does what `mend` says, empty where only a person can.
    """

    name: str
    function: str
    state: str
    evidence: str
    mend: str = ""
    call: str = ""

    @property
    def title(self) -> str:
        """`queue policy of CreateThumbnail`."""
        return f"{self.name} of {self.function}" if self.function else self.name

    def sentence(self) -> str:
        """State and evidence."""
        return f"{self.title}: {self.state}. {self.evidence}"

    def rows(self) -> Iterable[Sequence[object]]:
        """What mends it."""
        if self.mend:
            yield "mend", self.mend
        if self.call:
            yield "call", self.call


@dataclass(frozen=True)
class Diagnosis(Result):
    """All hops in the order in which a photo meets them."""

    lab_id: str
    key: str | None
    hops: tuple[Hop, ...]

    @property
    def healthy(self) -> bool:
        """True if nothing is broken, and nothing is still underway."""
        return self.first is None

    @property
    def first(self) -> Hop | None:
        """The first broken hop; if none is broken, the first where something is underway; else None."""
        return next(iter(self.in_state(BROKEN) + self.in_state(UNDERWAY)), None)

    @property
    def underway(self) -> bool:
        """True if nothing is broken, and something has not come to its end yet."""
        return self.first is not None and self.first.state == UNDERWAY

    def in_state(self, state: str) -> tuple[Hop, ...]:
        """The hops in a state, in order."""
        return tuple(hop for hop in self.hops if hop.state == state)

    def sentence(self) -> str:
        """Healthy, or the first broken hop with its evidence and mend."""
        about = f"the way of {self.key}" if self.key else "the way of a photo"
        first, risks = self.first, self.in_state(RISKY)
        if first is not None:
            state = "BROKEN" if first.state == BROKEN else "Underway"
            return " ".join(filter(None, (f"{state} at the {first.title}: {first.evidence}", first.mend)))
        also = f" One thing is risky: {risks[0].title}. {risks[0].evidence}" if risks else ""
        return f"Healthy: all {len(self.hops)} hops on {about} work.{also}"

    def headers(self) -> Sequence[str]:
        """One row a hop."""
        return ("hop", "of", "state", "evidence", "what to try")

    def rows(self) -> Iterable[Sequence[object]]:
        """One row a hop, or one for all branches of a hop that work; what to try is a short call, or else the words."""
        for name in dict.fromkeys(hop.name for hop in self.hops):
            hops = [hop for hop in self.hops if hop.name == name]
            if len(hops) > 1 and all(hop.state == WORKS for hop in hops):
                yield (
                    name,
                    "each branch",
                    WORKS,
                    "; ".join(dict.fromkeys(hop.evidence.rstrip(".") for hop in hops)),
                    "-",
                )
                continue
            for hop in hops:
                yield name, hop.function or "all", hop.state, hop.evidence, _in_short(hop)

    def as_data(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {
            "lab": self.lab_id,
            "key": self.key,
            "healthy": self.healthy,
            "first": asdict(self.first) if self.first else None,
            "hops": [asdict(hop) for hop in self.hops],
        }


@telling("looking along the way of a photo")
def doctor(lab: Lab, key: str | None = None, *, patience: float = 0) -> Diagnosis:
    """Walk the way of a photo: of the one with this key, or of any photo if there is none given.

    Returns the Diagnosis; changes nothing. While nothing is broken but something is underway, the doctor waits and
    looks again, for up to `patience` seconds. Raises LabError if AWS refuses to be read.
    """
    diagnosis = _examine(lab, key)
    if patience and diagnosis.underway:
        try:
            return wait_until(
                lambda: None if (again := _examine(lab, key)).underway else again,
                what="what is underway",
                seconds=patience,
            )
        except WaitedTooLong:
            return _examine(lab, key)
    return diagnosis


def _examine(lab: Lab, key: str | None) -> Diagnosis:
    visit = Visit(lab, key if key is None else _whole_key(lab, key))
    return Diagnosis(lab.settings.lab_id, visit.key, tuple(_walk(visit)))


def _whole_key(lab: Lab, key: str) -> str:
    """`cat.jpg` means `ingest/cat.jpg`, unless it really lies at the top of the bucket."""
    if "/" in key or (bucket_exists(lab) and _head(lab, key) is not None):
        return key
    return INGEST_FOLDER + key


def _head(lab: Lab, key: str) -> Mapping[str, Any] | None:
    answer = found_or_none(lab.client("s3").head_object, Bucket=lab.settings.bucket_name, Key=key)
    return None if answer is None else dict(answer)


@dataclass(frozen=True)
class Visit:
    """One visit of the doctor: the lab, the key, and what several hops need to know."""

    lab: Lab
    key: str | None

    @cached_property
    def photo(self) -> Mapping[str, Any] | None:
        """What S3 says of the photo, or None."""
        if self.key is None or not bucket_exists(self.lab):
            return None
        return _head(self.lab, self.key)

    @cached_property
    def queues(self) -> Mapping[str, Mapping[str, str] | None]:
        """The attributes of each function's queue."""
        return {
            f.name: queue_attributes(self.lab, self.lab.settings.queue_name(f)) for f in self.lab.settings.functions
        }

    @cached_property
    def functions(self) -> Mapping[str, Mapping[str, Any] | None]:
        """The configuration of each function."""
        return {f.name: function_configuration(self.lab, f) for f in self.lab.settings.functions}

    @cached_property
    def logs(self) -> Mapping[str, FunctionLogs]:
        """What each function logged; of a photo's way, only what was logged since it was uploaded."""
        # S3's clock gives whole seconds, and so may be ahead of the log's by one.
        since = self.photo["LastModified"] - timedelta(seconds=1) if self.photo else None
        return {f.name: read_logs(self.lab, f.name, since=since) for f in self.lab.settings.functions}


def _walk(visit: Visit) -> Iterator[Hop]:
    for look in SHARED:
        if (hop := look(visit)) is not None:
            yield hop
    for look_at in BRANCHES:
        for function in visit.lab.settings.functions:
            if (hop := look_at(visit, function)) is not None:
                yield hop


def _in_short(hop: Hop) -> str:
    """What to try, for a column of a table: long calls are shown with the hop itself."""
    return (hop.call if len(hop.call) <= SHORT else hop.mend) or "-"


def _key(visit: Visit) -> Hop | None:
    key, lab = visit.key, visit.lab
    if key is None:
        return None
    if not key.startswith(INGEST_FOLDER):
        evidence, better = f"{key} does not begin with {INGEST_FOLDER}.", INGEST_FOLDER + key.rsplit("/", 1)[-1]
    elif not key.endswith(INGEST_SUFFIX):
        stem, dot, _ = key.rpartition(".")
        evidence, better = f"{key} does not end in {INGEST_SUFFIX}, to the letter.", f"{stem if dot else key}.jpg"
    else:
        return Hop("key", "", WORKS, f"{key} begins with {INGEST_FOLDER} and ends in {INGEST_SUFFIX}.")
    bucket = lab.settings.bucket_name
    return Hop(
        "key",
        "",
        BROKEN,
        f"{evidence} S3 stores such an object and tells nobody.",
        f"Put the photo in as {better}.",
        f"lab.client('s3').copy_object(Bucket={bucket!r}, CopySource={bucket + '/' + key!r}, Key={better!r})",
    )


def _bucket(visit: Visit) -> Hop:
    name = visit.lab.settings.bucket_name
    if bucket_exists(visit.lab):
        return Hop("bucket", "", WORKS, name)
    return _missing("bucket", "", f"There is no bucket {name}.", 3)


def _missing(name: str, function: str, evidence: str, step: int) -> Hop:
    return Hop(name, function, BROKEN, evidence, f"Step {step} makes it.", f"catch_up(lab, to={step})")


def _photo(visit: Visit) -> Hop | None:
    lab, key = visit.lab, visit.key
    if key is None or not bucket_exists(lab):
        return None
    if visit.photo is None:
        pages = lab.client("s3").get_paginator("list_objects_v2").paginate(Bucket=lab.settings.bucket_name)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        alike = next((k for k in keys if k.lower() == key.lower()), None) or next(
            iter(get_close_matches(key, keys, n=1, cutoff=0.8)), None
        )
        also = f" There is a {alike}: keys are case-sensitive." if alike else ""
        return Hop(
            "photo", "", BROKEN, f"There is no object {key} in the bucket.{also}", "Upload it: upload_photo(lab, ...)."
        )
    size = visit.photo["ContentLength"]
    if size == 0:
        return Hop("photo", "", BROKEN, f"{key} is empty: 0 bytes.", "Upload it again: upload_photo(lab, ...).")
    return Hop("photo", "", WORKS, f"{size:,} bytes, stored {visit.photo['LastModified']:%H:%M:%S} UTC.")


def _notification(visit: Visit) -> Hop | None:
    lab = visit.lab
    if not bucket_exists(lab):
        return None
    rule = find_notification(lab)
    if rule is None:
        return _missing("notification", "", f"The bucket has no notification {NOTIFICATION_NAME}.", 3)
    filters, topic, events = rule_filters(rule), topic_arn(lab), rule["Events"]
    prefix, suffix = filters.get("prefix", ""), filters.get("suffix", "")
    if rule["TopicArn"] != topic:
        evidence = f"It tells {rule['TopicArn']}, not {topic}."
    elif not any(event in CREATED for event in events):
        evidence = f"It is about {', '.join(events)}, not about objects that are created."
    elif not INGEST_FOLDER.startswith(prefix):
        evidence = f"It is about keys that begin with {prefix}, not {INGEST_FOLDER}."
    elif not INGEST_SUFFIX.endswith(suffix):
        evidence = f"It is about keys that end in {suffix}, not {INGEST_SUFFIX}."
    elif prefix != INGEST_FOLDER:
        return Hop(
            "notification",
            "",
            RISKY,
            f"Its prefix is {prefix or 'empty'}: results raise events, too, which only the functions' own care stops.",
            f"The prefix {INGEST_FOLDER} breaks the loop.",
            "create_event_notification(lab)",
        )
    else:
        return Hop("notification", "", WORKS, f"{prefix}*{suffix} to the topic.")
    return Hop("notification", "", BROKEN, evidence, "Step 3 puts the rule right.", "catch_up(lab, to=3)")


def _topic(visit: Visit) -> Hop:
    name = visit.lab.settings.topic_name
    if topic_attributes(visit.lab) is None:
        return _missing("topic", "", f"There is no topic {name}.", 1)
    return Hop("topic", "", WORKS, name)


def _topic_policy(visit: Visit) -> Hop | None:
    lab, attributes = visit.lab, topic_attributes(visit.lab)
    if attributes is None:
        return None
    why = policy.obstacle([attributes.get("Policy")], s3_publishes(lab))
    if not why:
        return Hop("topic policy", "", WORKS, "S3 may publish for this bucket.")
    evidence = f"It does not let S3 publish for this bucket: {why}."
    return Hop("topic policy", "", BROKEN, evidence, "Set the policy of step 3.", "allow_s3_to_publish(lab)")


def _subscription(visit: Visit, function: FunctionSettings) -> Hop | None:
    lab, queue = visit.lab, visit.lab.settings.queue_name(function)
    if topic_attributes(lab) is None:
        return None
    arn = find_subscription(lab, queue)
    if arn is None:
        return _missing("subscription", function.name, f"The queue {queue} is not subscribed to the topic.", 2)
    if not arn.startswith("arn:"):
        return Hop("subscription", function.name, BROKEN, f"It is not confirmed: {arn}.", "Subscribe the queue again.")
    attributes = lab.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    wanted = json.loads(attributes.get("FilterPolicy") or "{}")
    if wanted:
        scope = attributes.get("FilterPolicyScope", "MessageAttributes")
        return Hop(
            "subscription",
            function.name,
            BROKEN if scope == "MessageAttributes" else RISKY,
            f"It lets through only what has {json.dumps(wanted)} in its {scope}; S3's messages have no attributes.",
            "Take the filter away.",
            f"lab.client('sns').set_subscription_attributes(SubscriptionArn={arn!r}, "
            "AttributeName='FilterPolicy', AttributeValue='{}')",
        )
    raw = ", raw delivery on" if attributes.get("RawMessageDelivery") == "true" else ""
    return Hop("subscription", function.name, WORKS, f"{queue}{raw}")


def _queue(visit: Visit, function: FunctionSettings) -> Hop:
    lab, attributes = visit.lab, visit.queues[function.name]
    name = lab.settings.queue_name(function)
    if attributes is None:
        return _missing("queue", function.name, f"There is no queue {name}.", 2)
    depth = queue_depth(attributes)
    evidence = f"{depth.waiting} waiting, {depth.in_flight} in flight."
    configuration = visit.functions[function.name]
    hidden, timeout = int(attributes["VisibilityTimeout"]), configuration["Timeout"] if configuration else 0
    if hidden < lab.settings.visibility_timeout_s or hidden < 6 * timeout:
        wanted = max(lab.settings.visibility_timeout_s, 6 * timeout)
        return Hop(
            "queue",
            function.name,
            BROKEN if hidden < timeout else RISKY,
            f"Messages are hidden for {hidden} s while the function may work for {timeout} s: each may come twice.",
            "Raise the visibility timeout to six times the function's timeout.",
            f"lab.client('sqs').set_queue_attributes(QueueUrl={queue_url(lab, name)!r}, "
            f"Attributes={{'VisibilityTimeout': '{wanted}'}})",
        )
    return Hop("queue", function.name, WORKS, evidence)


def _queue_policy(visit: Visit, function: FunctionSettings) -> Hop | None:
    lab, attributes = visit.lab, visit.queues[function.name]
    if attributes is None:
        return None
    name = lab.settings.queue_name(function)
    why = policy.obstacle([attributes.get("Policy")], topic_sends(lab, function))
    if not why:
        return Hop("queue policy", function.name, WORKS, "The topic may send.")
    return Hop(
        "queue policy",
        function.name,
        BROKEN,
        f"It does not let the topic send to {name}: {why}. SNS is refused, silently.",
        "Set the policy of step 2.",
        f"allow_topic_to_send(lab, {function.name!r})",
    )


def _redrive(visit: Visit, function: FunctionSettings) -> Hop | None:
    """Only a risk: good photos get through without it, and bad ones are tried again for days."""
    lab, attributes = visit.lab, visit.queues[function.name]
    if attributes is None:
        return None
    dead, redrive = lab.settings.dead_letter_queue_name(function), parsed(attributes.get("RedrivePolicy"))
    if queue_url(lab, dead) is None:
        evidence = f"There is no queue {dead}."
    elif redrive.get("deadLetterTargetArn") != queue_arn(lab, dead):
        evidence = f"Dead letters do not go to {dead}, but {redrive.get('deadLetterTargetArn', 'nowhere')}."
    elif int(redrive["maxReceiveCount"]) < MAX_RECEIVE_COUNT:
        evidence = f"A message is given up after {redrive['maxReceiveCount']} receives: a passing fault can lose it."
    else:
        return Hop("redrive", function.name, WORKS, f"To the dead letters after {redrive['maxReceiveCount']} receives.")
    document = json.dumps({"deadLetterTargetArn": queue_arn(lab, dead), "maxReceiveCount": MAX_RECEIVE_COUNT})
    url = queue_url(lab, lab.settings.queue_name(function))
    return Hop(
        "redrive",
        function.name,
        RISKY,
        evidence,
        "Make the dead-letter queue, and name it in the queue's redrive policy.",
        f"create_dead_letter_queue(lab, {function.name!r}); lab.client('sqs').set_queue_attributes("
        f"QueueUrl={url!r}, Attributes={{'RedrivePolicy': {document!r}}})",
    )


def _trigger(visit: Visit, function: FunctionSettings) -> Hop:
    lab = visit.lab
    queue, found = lab.settings.queue_name(function), find_trigger(lab, function)
    attributes = visit.queues[function.name]
    waiting = f" {queue_depth(attributes).total} messages are in the queue." if attributes else ""
    if found is None:
        return _missing("trigger", function.name, f"Nothing takes messages from {queue} to the function.{waiting}", 4)
    state, said = found["State"], str(found.get("LastProcessingResult", ""))
    enable = f"enable_trigger(lab, {function.name!r})"
    if state in ("Disabled", "Disabling"):
        return Hop("trigger", function.name, BROKEN, f"It is {state.lower()}.{waiting}", "Switch it on.", enable)
    if said.startswith("PROBLEM"):
        return Hop("trigger", function.name, BROKEN, f"Lambda says: {said}", "The role or the queue is at fault.")
    if state != "Enabled":
        return Hop("trigger", function.name, UNDERWAY, f"It is {state.lower()}.", "Wait a moment.", enable)
    if PARTIAL_BATCH not in found.get("FunctionResponseTypes", []):
        return Hop(
            "trigger",
            function.name,
            RISKY,
            "Partial batch responses are off: a photo that fails counts as done, and is lost.",
            "Switch them on.",
            f"lab.client('lambda').update_event_source_mapping(UUID={found['UUID']!r}, "
            f"FunctionResponseTypes=[{PARTIAL_BATCH!r}])",
        )
    return Hop("trigger", function.name, WORKS, f"enabled, batch size {found['BatchSize']}.")


def _role(visit: Visit, function: FunctionSettings) -> Hop | None:
    lab, configuration = visit.lab, visit.functions[function.name]
    arn = configuration["Role"] if configuration else lab.role_arn
    name = arn.rsplit("/", 1)[-1] if arn else lab.settings.role_name(function)
    again = f"create_role(lab, {function.name!r})"
    try:
        answer = found_or_none(lab.client("iam").get_role, RoleName=name)
        if answer is None:
            mend = "Make it again." if name == lab.settings.role_name(function) else "Give the function a role."
            return Hop("role", function.name, BROKEN, f"There is no role {name}.", mend, again)
        documents = list(_role_documents(lab, name))
    except ClientError as error:
        if error_code(error) in FORBIDDEN:
            return Hop("role", function.name, WORKS, f"{name} may not be read by you, and was not looked at.")
        raise
    role = answer["Role"]
    taking_it_on = policy.Request("sts:AssumeRole", role["Arn"], service="lambda.amazonaws.com")
    if why := policy.obstacle([role["AssumeRolePolicyDocument"]], taking_it_on):
        return Hop(
            "role",
            function.name,
            BROKEN,
            f"Lambda may not take on {name}: {why}.",
            "Let lambda.amazonaws.com take it on.",
            f"lab.client('iam').update_assume_role_policy(RoleName={name!r}, PolicyDocument={json.dumps(TRUST)!r})",
        )
    for request in _needs(lab, function):
        if why := policy.obstacle(documents, request, identity=True):
            evidence = f"{name} does not allow {request.action} on {request.resource}: {why}."
            return Hop("role", function.name, BROKEN, evidence, "Set the policy of step 4.", again)
    return Hop("role", function.name, WORKS, "Lambda may take it on, and it may do what the function needs.")


def _needs(lab: Lab, function: FunctionSettings) -> Iterator[policy.Request]:
    """Each thing that the lab's own role lets the function do, as an example with a photo's name."""
    for statement in role_policy(lab, function)["Statement"]:
        if "Condition" in statement:
            continue  # telling a deleted photo from a forbidden one is a comfort, no need
        for action in statement["Action"]:
            yield policy.Request(action, statement["Resource"].replace("*", "x"))


def _role_documents(lab: Lab, name: str) -> Iterator[policy.Policy]:
    iam = lab.client("iam")
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
        for inline in page["PolicyNames"]:
            yield iam.get_role_policy(RoleName=name, PolicyName=inline)["PolicyDocument"]
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
        for arn in (attached["PolicyArn"] for attached in page["AttachedPolicies"]):
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            yield iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def _function(visit: Visit, function: FunctionSettings) -> Hop:
    lab, found = visit.lab, visit.functions[function.name]
    name = lab.settings.function_name(function)
    if found is None:
        return _missing("function", function.name, f"There is no function {name}.", 4)
    if found.get("State", "Active") != "Active":
        reason = found.get("StateReason", "no reason given")
        state = UNDERWAY if found["State"] == "Pending" else BROKEN
        return Hop("function", function.name, state, f"It is {found['State']}: {reason}", "Deploy it again.")
    if found.get("LastUpdateStatus") == "Failed":
        reason = found.get("LastUpdateStatusReason", "no reason given")
        return Hop("function", function.name, BROKEN, f"Its last update failed: {reason}", "Deploy it again.")
    answer = lab.client("lambda").get_function_concurrency(FunctionName=name)
    if answer.get("ReservedConcurrentExecutions") == 0:
        return Hop(
            "function",
            function.name,
            BROKEN,
            "Its reserved concurrency is 0: Lambda never runs it.",
            "Take the reservation away.",
            f"lab.client('lambda').delete_function_concurrency(FunctionName={name!r})",
        )
    own = found["CodeSha256"] == build_package(function.name, lab.target, source=function.source).code_sha256
    handler = f"{function.name}.handler"
    if own and found["Handler"] != handler:
        evidence = f"Its handler is {found['Handler']}, which its package does not have; it has {handler}."
        return Hop("function", function.name, BROKEN, evidence, "Set it.", f"set_handler(lab, {function.name!r})")
    if not own:
        return Hop(
            "function", function.name, RISKY, "Its code is not the lab's package. That is right if it is your own."
        )
    return Hop("function", function.name, WORKS, f"{found['Handler']}, {found['MemorySize']} MB, {found['Timeout']} s.")


def _requests(visit: Visit, function: FunctionSettings) -> Hop | None:
    """The last word of the logs: on the photo, or on the last message of all."""
    configuration, logs = visit.functions[function.name], visit.logs[function.name]
    if configuration is None:
        return None
    about = logs.about(visit.key) if visit.key else logs.requests
    changed = _changed(configuration)
    # A request that died before it read its message names no photo: it may well have been this one. One that ran
    # what the function was before it was last changed says nothing of the function as it is now.
    nameless = [r for r in logs.errors() if not r.photos and not _ran_before(r, changed)]
    relevant = sorted({*about, *(nameless if visit.key else ())}, key=lambda request: request.started)
    finished = [request for request in relevant if request.finished or request.photos]
    if not finished:
        return None
    last, count = finished[-1], len(finished)
    failure = _failure(last, visit.key)
    if failure is None or (visit.key and any(_failure(r, visit.key) is None for r in about)):
        return Hop("requests", function.name, WORKS, f"{count} of them, the last one well.")
    said = f"Request {last.request_id[:8]} failed: {failure.said}"
    if _ran_before(last, changed):
        state = UNDERWAY if visit.key else WORKS
        evidence = f"{said} The function was changed after that; the message is tried again."
        return Hop("requests", function.name, state, evidence, "Wait for the visibility timeout." if visit.key else "")
    return Hop("requests", function.name, BROKEN, said, failure.mend, failure.call(visit.lab, function, configuration))


@dataclass(frozen=True)
class Failure:
    """What a request died of, what mends that, and the call (a template filled in with what is known)."""

    said: str
    mend: str
    template: str = ""

    def call(self, lab: Lab, function: FunctionSettings, configuration: Mapping[str, Any]) -> str:
        """The line of Python that mends it; empty if none does."""
        return self.template.format(
            name=repr(function.name),
            timeout=max(lab.settings.function_timeout_s, 2 * configuration["Timeout"]),
            visibility=6 * max(lab.settings.function_timeout_s, 2 * configuration["Timeout"]),
            memory=max(lab.settings.function_memory_mb, 2 * configuration["MemorySize"]),
            url=repr(queue_url(lab, lab.settings.queue_name(function))),
        )


DEPLOY = "deploy_function(lab, {name})"
RAISE_TIMEOUT = (
    "lab.client('sqs').set_queue_attributes(QueueUrl={url}, Attributes={{'VisibilityTimeout': '{visibility}'}}); "
    "configure_function(lab, {name}, Timeout={timeout})"
)
RAISE_MEMORY = "configure_function(lab, {name}, MemorySize={memory})"


def _failure(request: Request, key: str | None) -> Failure | None:
    """What a request died of; None if it went well, for this photo or for all of its message."""
    if request.status == "timeout":
        return Failure(request.error, "Give it more time, or a smaller photo.", RAISE_TIMEOUT)
    if request.status == "out of memory":
        return Failure(
            request.error, "Give it more memory: that buys a larger share of a processor, too.", RAISE_MEMORY
        )
    if "ImportModuleError" in request.error or "HandlerNotFound" in request.error:
        mend = "The handler names what the zip does not have, or the zip is packed wrongly. Deploy the lab's package."
        return Failure(request.error, mend, DEPLOY)
    if request.status not in ("ok", "running"):
        if "'Records'" in request.error:
            mend = "It takes S3's test event, which has no Records, for a photo. Deploy code that knows it."
            return Failure(f"{request.error}.", mend, DEPLOY)
        return Failure(request.error or request.status, "Its log says where: read_logs(lab, ...).", DEPLOY)
    for photo in request.photos:
        if photo["event"] == "failed" and key in (None, photo.get("source_key")):
            said = f"{photo.get('source_key', 'a message')}: {photo.get('message', photo.get('reason'))}"
            if photo.get("reason") == "access_denied":
                return Failure(said, "Give the role the policy of step 4.", "create_role(lab, {name})")
            if photo.get("retry"):
                return Failure(said, "It is tried again after the visibility timeout; look at its log.")
            return Failure(said, "The photo is at fault, not the lab: upload a sound one under the same key.")
    return None


def _ran_before(request: Request, changed: datetime | None) -> bool:
    """True if a request ran in an environment that is older than the change, however late it came to run there."""
    return changed is not None and (request.loaded or request.started) < changed


def _changed(configuration: Mapping[str, Any]) -> datetime | None:
    """When code or configuration were last changed, by Lambda's own clock."""
    text = str(configuration.get("LastModified", "")).replace("+0000", "+00:00")
    moment = datetime.fromisoformat(text) if text else None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _dead_letters(visit: Visit, function: FunctionSettings) -> Hop | None:
    lab = visit.lab
    name = lab.settings.dead_letter_queue_name(function)
    attributes = queue_attributes(lab, name)
    if attributes is None:
        return None
    dead = queue_depth(attributes).total
    if dead == 0:
        return Hop("dead letters", function.name, WORKS, "none.")
    arrived = visit.key is not None and _result_is_new(visit, function)
    return Hop(
        "dead letters",
        function.name,
        RISKY if arrived else BROKEN,
        f"{dead} message{' was' if dead == 1 else 's were'} given up and lie in {name}.",
        "Mend what they died of (the log says), then send them back to the queue.",
        f"redrive(lab, {function.name!r})",
    )


def _result_head(visit: Visit, function: FunctionSettings) -> Mapping[str, Any] | None:
    return _head(visit.lab, function.result_key(visit.key)) if visit.key and visit.photo else None


def _result_is_new(visit: Visit, function: FunctionSettings) -> bool:
    result = _result_head(visit, function)
    return bool(result and visit.photo and result["LastModified"] >= visit.photo["LastModified"])


def _result(visit: Visit, function: FunctionSettings) -> Hop | None:
    key, photo, lab = visit.key, visit.photo, visit.lab
    if key is None or photo is None or not key.startswith(INGEST_FOLDER):
        return None
    expected, result = function.result_key(key), _result_head(visit, function)
    if result is not None and _result_is_new(visit, function):
        return Hop("result", function.name, WORKS, f"{expected}, {result['ContentLength']:,} bytes.")
    found = f"{expected} is older than the photo" if result else f"There is no {expected}"
    depth = queue_depth(visit.queues[function.name] or {})
    if depth.total:
        evidence = f"{found}: {counted(depth.waiting, 'message')} waiting, {depth.in_flight} in flight."
        return Hop("result", function.name, UNDERWAY, evidence, "Wait, and look again.")
    resized = any(
        data["event"] == "resized" and data.get("source_key") == key
        for request in visit.logs[function.name]
        for data in request.photos
    )
    if resized:
        evidence = f"{found}, though the function says that it wrote it: somebody took it away."
    elif datetime.now(UTC) - photo["LastModified"] < S3_TAKES_ITS_TIME:
        evidence = f"{found} yet. The photo came less than a minute ago, and S3 takes its time with events."
        return Hop("result", function.name, UNDERWAY, evidence, "Wait, and look again.")
    else:
        evidence = f"{found}, and no request speaks of the photo: it came before the way was complete."
    bucket = lab.settings.bucket_name
    again = (
        f"lab.client('s3').copy_object(Bucket={bucket!r}, Key={key!r}, CopySource={bucket + '/' + key!r}, "
        "MetadataDirective='REPLACE', ContentType='image/jpeg')"
    )
    return Hop("result", function.name, BROKEN, evidence, "Upload it again, or copy it onto itself.", again)


Look = Callable[[Visit], Hop | None]
LookAt = Callable[[Visit, FunctionSettings], Hop | None]
# The way of a photo. What all branches share comes first; then each hop for all three branches, since a fault in
# one branch leaves the others working.
SHARED: tuple[Look, ...] = (_key, _bucket, _photo, _notification, _topic, _topic_policy)
BRANCHES: tuple[LookAt, ...] = (
    _subscription,
    _queue,
    _queue_policy,
    _redrive,
    _trigger,
    _role,
    _function,
    _requests,
    _dead_letters,
    _result,
)
