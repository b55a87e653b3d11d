"""The event notification: the rule by which S3 tells the topic of every new photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

from labkit.bucket_rules import ONE_LAB_AT_A_TIME, rule_filters
from labkit.errors import LabError
from labkit.lab import Lab
from labkit.resources.bucket import Bucket, bucket_of
from labkit.resources.judgement import BROKEN, DIFFERENT, RISKY, About, Line, Snapshot
from labkit.resources.resource import NOT_OURS, OURS, UNREAD, Ownership, Resource, Right, found_or_none
from labkit.settings import INGEST_FOLDER, INGEST_SUFFIX, NOTIFICATION_NAME, REFUSED_NOTIFICATION_NAME

CONFIGURATION_KINDS = (
    "TopicConfigurations",
    "QueueConfigurations",
    "LambdaFunctionConfigurations",
    "EventBridgeConfiguration",
)
ALL_CREATED = "s3:ObjectCreated:*"
CREATED = (ALL_CREATED, "s3:ObjectCreated:Put")


class Notification(Resource):
    """A rule among the notifications of a bucket: all others stay as they are.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-enable-disable-notification-intro.html
    """

    kind, step, notebook = "event notification", 3, "03_notification"
    hints: ClassVar[Mapping[str, str]] = {
        "Unable to validate the following destination configurations": "S3 may not publish to the topic: "
        "allow_s3_to_publish(lab) sets the policy that lets it.",
        "overlap": ONE_LAB_AT_A_TIME,
        "destination service region is not valid": "The bucket is in another region than the topic, and S3 tells only "
        "topics of its own: open the lab in the bucket's region, or with another bucket.",
    }

    @classmethod
    def of(cls, lab: Lab) -> Iterator[Self]:
        yield cls(lab, NOTIFICATION_NAME, facts={"bucket": lab.definition.bucket_name})

    @classmethod
    def refused(cls, lab: Lab) -> Self:
        """The rule that S3 is seen to refuse."""
        return cls(lab, REFUSED_NOTIFICATION_NAME, facts={"bucket": lab.definition.bucket_name})

    @property
    def bucket(self) -> Bucket:
        """The bucket that the rule is on: the journal knows, whatever the lab's definition says today."""
        name = self.facts.get("bucket", self.lab.definition.bucket_name)
        return bucket_of(self.lab) if name == self.lab.definition.bucket_name else Bucket(self.lab, name)

    @property
    def arn(self) -> str:
        return self.bucket.arn

    def rule(self, **changes: Any) -> dict[str, Any]:
        """The rule as step 3 makes it: every `ingest/*.jpg` that is created, to the topic."""
        parts = {"prefix": INGEST_FOLDER, "suffix": INGEST_SUFFIX}
        return {
            "Id": self.name,
            "TopicArn": self.lab.definition.topic_arn,
            "Events": [ALL_CREATED],
            "Filter": {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in parts.items()]}},
        } | changes

    def read(self) -> dict[str, Any] | None:
        """The rule, if the bucket has one of that name and it is this lab's."""
        return self._own(found_or_none(self.configuration) or {}) if self.bucket.exists() else None

    def configuration(self) -> dict[str, Any]:
        """The bucket's whole notification configuration, as it must be put back."""
        answer = self.lab.client("s3").get_bucket_notification_configuration(Bucket=self.bucket.name)
        return {kind: answer[kind] for kind in CONFIGURATION_KINDS if kind in answer}

    def _own(self, configuration: Mapping[str, Any]) -> dict[str, Any] | None:
        rules = configuration.get("TopicConfigurations", [])
        return next((dict(rule) for rule in rules if self._is_own(rule)), None)

    def _is_own(self, rule: Mapping[str, Any]) -> bool:
        """In the lab's own bucket the name says it; in someone else's, another lab may have a rule of the same name."""
        lab = self.lab.definition
        topics = (lab.topic_arn, self.lab.arn("sns", lab.refused_topic_name))
        own_bucket = lab.bucket is None and self.bucket.name == lab.bucket_name
        return rule.get("Id") == self.name and (own_bucket or rule["TopicArn"] in topics)

    def without_own(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration with this rule taken out."""
        rest = [rule for rule in configuration.get("TopicConfigurations", []) if not self._is_own(rule)]
        others = {kind: rules for kind, rules in configuration.items() if kind != "TopicConfigurations"}
        return {**others, "TopicConfigurations": rest} if rest else others

    def with_own(self, configuration: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration with this rule added, or instead of the one it has. Raises LabError if the name is taken."""
        after = self.without_own(configuration)
        others = after.get("TopicConfigurations", [])
        if taken := next((other for other in others if other.get("Id") == self.name), None):
            raise LabError(
                f"The {self.kind} {self.name} is there already, and it is not this lab's. It was left alone: it tells "
                f"{taken['TopicArn']}.",
                where=f"creating the {self.kind} {self.name}",
                hint=ONE_LAB_AT_A_TIME,
                code="not-this-labs",
            )
        return {**after, "TopicConfigurations": [*others, rule]}

    def ownership(self) -> Ownership:
        """Its destination says whose it is: the topic's name carries the lab's suffix."""
        found = self.read()
        if found is None:
            return Ownership(NOT_OURS, "it is not there")
        return Ownership(OURS, f"it tells {found['TopicArn']}")

    def create(self, found: Any = UNREAD, make: Callable[[], Mapping[str, Any]] | None = None) -> bool:  # noqa: ARG002
        """Put the rule among the bucket's notifications, unless it is there as it should be; returns whether it was."""
        before = self.configuration() if found is UNREAD else found
        made = not same_rule(self._own(before), self.rule())
        if made:
            after = self.with_own(before, self.rule())
            with self.journaled_create():
                self._put(after)
        self.lab.journal.created(*self.key, **self.facts)
        return made

    def make(self) -> dict[str, Any]:
        self._put(self.with_own(self.configuration(), self.rule()))
        return dict(self.facts)

    def _put(self, configuration: Mapping[str, Any]) -> None:
        self.lab.client("s3").put_bucket_notification_configuration(
            Bucket=self.bucket.name, NotificationConfiguration=configuration
        )

    def erase(self) -> None:
        """Take the rule out; others stay, and stay as they are.

        Their destinations are not validated once more: one that is broken is its owner's business, not in the way here.
        """
        if not self.bucket.exists():
            return
        before = self.configuration()
        if self._own(before) is not None:
            self.lab.client("s3").put_bucket_notification_configuration(
                Bucket=self.bucket.name,
                NotificationConfiguration=self.without_own(before),
                SkipDestinationValidation=True,
            )

    def judge(self, snapshot: Snapshot) -> Iterator[Line]:
        """There, for created objects, the right keys, to the lab's topic."""
        about = About("notification", subject="notification: ")
        found, topic = snapshot.read(self), self.lab.definition.topic_arn
        again = "create_event_notification(lab)"
        if found is None:
            yield About("notification").missing(
                "notification exists",
                self.name,
                3,
                evidence=f"The bucket has no notification {self.name}.",
                consequence=snapshot.read(self.bucket) is None,
            )
            return
        events, filters = found["Events"], rule_filters(found)
        prefix, suffix = filters.get("prefix", ""), filters.get("suffix", "")
        more: dict[str, Any] = {"hint": f"{again} puts the rule right.", "fix": "Step 3 puts the rule right."}
        more["call"] = "catch_up(lab, to=3)"
        yield About("notification").works("notification exists", self.name, evidence=f"{prefix}*{suffix} to the topic.")
        evidence = f"It tells {found['TopicArn']}, not {topic}."
        yield about.equal("destination", topic, found["TopicArn"], otherwise=BROKEN, evidence=evidence, **more)
        created = any(event in CREATED for event in events)
        evidence = f"It is about {', '.join(events)}, not about {'all ' if created else ''}objects that are created."
        verdict = DIFFERENT if created else BROKEN
        yield about.equal("events", ALL_CREATED, ", ".join(events), otherwise=verdict, evidence=evidence, **more)
        yield self._prefix(about, prefix, more)
        evidence = f"It is about keys that end in {suffix}, not {INGEST_SUFFIX}."
        verdict = DIFFERENT if INGEST_SUFFIX.endswith(suffix) else BROKEN
        yield about.equal("suffix", INGEST_SUFFIX, suffix, otherwise=verdict, evidence=evidence, **more)

    def _prefix(self, about: About, prefix: str, more: Mapping[str, Any]) -> Line:
        if INGEST_FOLDER.startswith(prefix):
            evidence = f"Its prefix is {prefix or 'empty'}: results raise events, too, which only the functions' own "
            more = {
                **more,
                "fix": f"The prefix {INGEST_FOLDER} breaks the loop.",
                "call": "create_event_notification(lab)",
            }
            return about.equal(
                "prefix", INGEST_FOLDER, prefix or None, otherwise=RISKY, evidence=f"{evidence}care stops.", **more
            )
        evidence = f"It is about keys that begin with {prefix}, not {INGEST_FOLDER}."
        return about.equal("prefix", INGEST_FOLDER, prefix, otherwise=BROKEN, evidence=evidence, **more)

    @classmethod
    def find(cls, lab: Lab, fits: Callable[[str], bool]) -> Iterator[Self]:  # noqa: ARG003
        """The lab's rules in an existing bucket; in its own they go with the bucket."""
        if lab.definition.bucket is not None:
            for rule in (next(cls.of(lab)), cls.refused(lab)):
                if rule.read() is not None:
                    yield rule

    def is_named_by_definition(self) -> bool:
        """The definition gives two names: of the rule, and of the one that is refused."""
        return self.name in (NOTIFICATION_NAME, REFUSED_NOTIFICATION_NAME)

    def template(self, found: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        """In a template, as in S3, it is a property of the bucket."""
        rule = self.rule() if found is None else found
        parts = rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        rules = [{"Name": part["Name"].lower(), "Value": part["Value"]} for part in parts]
        told = {"Event": rule["Events"][0], "Topic": rule["TopicArn"], "Filter": {"S3Key": {"Rules": rules}}}
        return {"Bucket": {"Properties": {"NotificationConfiguration": {"TopicConfigurations": [told]}}}}

    @classmethod
    def rights(cls, lab: Lab) -> Iterator[Right]:
        actions = "GetBucketNotification PutBucketNotification"
        yield Right("UseBucket", "s3", actions, (lab.definition.bucket_arn,))


def same_rule(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Whether two rules tell the same topic the same news."""
    return found is not None and all(
        (
            found["TopicArn"] == wanted["TopicArn"],
            found["Events"] == wanted["Events"],
            rule_filters(found) == rule_filters(wanted),
        )
    )
