"""Each exercise: the answer passes, and each typical mistake is told by what it does, in a sentence of its own."""

import json
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote_plus, unquote

import nbformat
import pytest

from labkit import (
    LabError,
    blank,
    catch_up,
    change_code,
    check_exercise,
    check_functions,
    example_message,
    exercise,
    inventory,
    open_lab,
    read_logs,
    redrive,
    sample,
    upload_photo,
    wait_for_dead_letters,
)
from labkit.exercises import deeds
from labkit.exercises.check import JUDGES
from labkit.exercises.readings import EXAMPLE_KEY
from labkit.exercises.texts import exercises, read_exercises
from labkit.students import make_student_notebooks

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

RIGHT = {
    "parts-of-an-arn": lambda lab: (arn(lab).split(":")[2], arn(lab).split(":")[4]),
    "message-attributes": lambda lab: ({"size": {"DataType": "String", "StringValue": "large"}},),
    "queue-policy": lambda lab: (statement(lab),),
    "filter-policy": lambda lab: ({"size": ["large"]},),
    "key-in-an-event": lambda lab: (EXAMPLE_KEY,),
    "one-right-more": lambda lab: (tagging(lab),),
    "billed-durations": lambda lab: (durations(lab, "billed_ms"),),
    "queues-of-this-lab": lambda lab: (queue_urls(lab),),
    "subscription-in-a-template": lambda lab: (subscription(),),
}


def subscription(kind="AWS::SNS::Subscription", **changes):
    endpoint = {"Fn::GetAtt": ["ArchiveQueue", "Arn"]}
    properties = {"TopicArn": {"Ref": "Topic"}, "Protocol": "sqs", "Endpoint": endpoint, **changes}
    return {"Type": kind, "Properties": {name: one for name, one in properties.items() if one is not None}}


ARN = "arn:aws:sns:us-east-1:123456789012:resize-image-topic"
SUBSCRIPTIONS = (
    (subscription(Endpoint={"Ref": "ArchiveQueue"}), "`Ref` of a queue is its URL, not its ARN"),
    (subscription(TopicArn=ARN), "a second lab's queue would get the news of the first"),
    (subscription(TopicArn={"Fn::GetAtt": ["Topic", "Arn"]}), "a topic has no attribute of that name"),
    (subscription(TopicArn={"Ref": "ImageTopic"}), "is no topic in it"),
    (subscription("AWS::SQS::Subscription"), "CloudFormation knows no resource 'AWS::SQS::Subscription'"),
    ({"Properties": {}}, "it has no Type"),
    ({"Type": "AWS::SNS::Subscription", "Protocol": "sqs"}, "stands in its Properties"),
    (subscription(QueueUrl="x"), "a subscription has no property 'QueueUrl'"),
    (subscription(Protocol=None), "its protocol is `sqs`, not None"),
    (subscription(Protocol="lambda"), "its protocol is `sqs`, not 'lambda'"),
    (subscription(Endpoint={"Fn::GetAtt": ["ThumbnailQueue", "Arn"]}), "The news would go to another queue"),
    (subscription(Endpoint=ARN.replace("sns", "sqs")), "would not know that it has to make the queue first"),
    (subscription(RawMessageDelivery=True), "Raw delivery is on"),
    ([], "a resource is a dictionary"),
)
# The exercise, what somebody may well answer, and how the sentence begins or goes on.
MISTAKES = (
    ("filter-policy", lambda lab: ({"size": "large"},), "'size' needs a list"),
    ("filter-policy", lambda lab: ({},), "An empty filter is no filter"),
    ("filter-policy", lambda lab: ({"Size": ["large"]},), "Nothing would ever come"),
    ("filter-policy", lambda lab: ({"size": ["large", "small"]},), "a large photo and a small photo: only the large"),
    ("filter-policy", lambda lab: ({"size": [{"anything-but": "large"}]},), "the large photo does not"),
    ("filter-policy", lambda lab: ({"size": [{"exists": True}]},), "What comes is a large photo and a small photo"),
    ("filter-policy", lambda lab: ({"size": [size("String", "large")]},), "a filter has the value alone"),
    ("parts-of-an-arn", lambda lab: (arn(lab), arn(lab)), "That is the whole ARN"),
    ("parts-of-an-arn", lambda lab: (arn(lab).split(":")[1], "123456789012"), "'aws' is part 1 of the ARN"),
    ("parts-of-an-arn", lambda lab: (arn(lab).split(":")[2], ""), "For the account, '' is part 3"),
    ("parts-of-an-arn", lambda lab: (arn(lab).split(":")[2], 123456789012), "an account that begins with 0"),
    ("message-attributes", lambda lab: ({"size": "large"},), "and not the bare value"),
    ("message-attributes", lambda lab: ({"Size": size("String", "large")},), "a filter on `size` would never see it"),
    ("message-attributes", lambda lab: ({"size": size("Number", "large")},), "a Number has to be digits"),
    ("message-attributes", lambda lab: ({"size": size("String", "Large")},), "a listener who wants `large`"),
    ("message-attributes", lambda lab: ({"size": {"StringValue": "large"}},), "without DataType"),
    ("message-attributes", lambda lab: ({"size": size("string", "large")},), "SNS has no DataType 'string'"),
    ("message-attributes", lambda lab: ({},), "attributes are a dictionary"),
    ("queue-policy", lambda lab: (statement(lab, Principal="*", Condition={}),), "lets anyone in the world send"),
    ("queue-policy", lambda lab: (statement(lab, Condition={}),), "every topic of every customer"),
    ("queue-policy", lambda lab: (statement(lab, Action="sns:Publish"),), "it allows sns:Publish, not sqs:SendMessage"),
    ("queue-policy", lambda lab: (statement(lab, Action="sqs:*"),), "and also delete the queue"),
    (
        "queue-policy",
        lambda lab: (statement(lab, Condition={"ArnEquals": {"aws:SourceArn": queue_arn(lab)}}),),
        "Your topic is refused, and SNS tells nobody: its condition wants aws:SourceArn",
    ),
    ("queue-policy", lambda lab: (statement(lab, Principal="sns.amazonaws.com"),), "is no principal"),
    (
        "queue-policy",
        lambda lab: (statement(lab, Principal={"Service": "sqs.amazonaws.com"}),),
        "Your topic is refused",
    ),
    ("queue-policy", lambda lab: (statement(lab, Principal="*"),), "the condition alone keeps them out"),
    ("queue-policy", lambda lab: (statement(lab, Effect="Deny"),), "An explicit deny"),
    ("queue-policy", lambda lab: (statement(lab, Condition={"aws:SourceArn": "x"}),), 'is {"operator": {"key"'),
    ("key-in-an-event", lambda lab: (quote_plus(EXAMPLE_KEY, safe="/"),), "would be told 404"),
    ("key-in-an-event", lambda lab: (unquote(quote_plus(EXAMPLE_KEY, safe="/")),), "`unquote` leaves the plus signs"),
    ("key-in-an-event", lambda lab: (lab.definition.bucket_name,), "That is the bucket's name"),
    ("key-in-an-event", lambda lab: (EXAMPLE_KEY.removeprefix("ingest/"),), "begins with `ingest/`"),
    ("key-in-an-event", lambda lab: (json.loads(example_message(lab))["Message"],), "still the envelope"),
    ("key-in-an-event", lambda lab: ("cat.jpg",), "S3 has no object 'cat.jpg'"),
    ("one-right-more", lambda lab: (tagging(lab, Action="*", Resource="*"),), "do everything, with all of your"),
    ("one-right-more", lambda lab: (tagging(lab, Action="s3:*"),), "and also delete"),
    ("one-right-more", lambda lab: (tagging(lab, Resource="*"),), "in every bucket that you have"),
    (
        "one-right-more",
        lambda lab: (tagging(lab, Resource=f"{lab.definition.bucket_arn}/*"),),
        "the photos in `ingest/`",
    ),
    ("one-right-more", lambda lab: (tagging(lab, Resource=lab.definition.bucket_arn),), "still may not tag"),
    ("one-right-more", lambda lab: (tagging(lab, Principal="*"),), "a role's own policy has no Principal"),
    ("one-right-more", lambda lab: (tagging(lab, Effect="Deny"),), "An explicit deny"),
    (
        "one-right-more",
        lambda lab: (tagging(lab, Action=["s3:GetObject", "s3:PutObjectTagging"]),),
        "one right too many",
    ),
    ("billed-durations", lambda lab: (durations(lab, "duration_ms"),), "The bill is rounded up"),
    ("billed-durations", lambda lab: (durations(lab, "memory_mb"),), "That is the memory in MB"),
    ("billed-durations", lambda lab: ([one / 1000 for one in durations(lab, "billed_ms")],), "These are seconds"),
    ("billed-durations", lambda lab: ([],), "no line of the log matched"),
    ("billed-durations", lambda lab: ([str(one) for one in durations(lab, "billed_ms")],), "These are texts"),
    ("billed-durations", lambda lab: (durations(lab, "billed_ms")[1:],), "the log of CreateWebImage has"),
    ("queues-of-this-lab", lambda lab: ([],), "would be left behind"),
    ("queues-of-this-lab", lambda lab: ([url.rsplit("/")[-1] for url in queue_urls(lab)],), "wants the URL"),
    ("queues-of-this-lab", lambda lab: (queue_urls(lab)[1:],), "would be left behind, though it carries"),
    ("queues-of-this-lab", lambda lab: ([*queue_urls(lab), foreign_queue(lab)],), "which carries no tag Lab"),
    ("queues-of-this-lab", lambda lab: (queue_urls(lab)[0],), "a list of queue URLs"),
    *(("subscription-in-a-template", lambda lab, answer=answer: (answer,), said) for answer, said in SUBSCRIPTIONS),
)


def arn(lab):
    return lab.client("sts").get_caller_identity()["Arn"]


def size(kind, value):
    return {"DataType": kind, "StringValue": value}


def queue_arn(lab):
    return lab.branch("CreateThumbnail").queue_arn


def statement(lab, **changes):
    return {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn(lab),
        "Condition": {"ArnEquals": {"aws:SourceArn": lab.definition.topic_arn}},
        **changes,
    }


def tagging(lab, **changes):
    resource = f"{lab.definition.bucket_arn}/thumbnail/*"
    return {"Effect": "Allow", "Action": "s3:PutObjectTagging", "Resource": resource, **changes}


def durations(lab, member):
    found = [getattr(one, member) for one in read_logs(lab, "CreateWebImage").invocations]
    return [one for one in found if one is not None]


def queue_urls(lab):
    sqs = lab.client("sqs")
    return [sqs.get_queue_url(QueueName=name)["QueueUrl"] for kind, name in inventory(lab).things if kind == "queue"]


def foreign_queue(lab):
    return lab.client("sqs").create_queue(QueueName="somebody-elses-queue")["QueueUrl"]


@pytest.mark.parametrize("name", RIGHT)
def test_the_answer_is_right(built_lab, name):
    judged = check_exercise(built_lab, name, *RIGHT[name](built_lab))
    assert judged.passed, judged.said
    assert str(judged).startswith("✓ Right. ")


@pytest.mark.parametrize(("name", "answer", "said"), MISTAKES, ids=[f"{name}: {said}" for name, _, said in MISTAKES])
def test_a_mistake_is_told_by_what_it_does(built_lab, name, answer, said):
    judged = check_exercise(built_lab, name, *answer(built_lab))
    assert not judged.passed
    assert said in judged.sentence()
    assert judged.sentence().startswith("Not yet. ")
    assert judged.failures()[0].hint == f"exercise({name!r}) has hints."


@pytest.mark.parametrize("name", RIGHT)
def test_four_mistakes_or_more_have_sentences_of_their_own(name):
    assert len({said for one, _, said in MISTAKES if one == name}) >= 4


def test_every_exercise_has_a_judge_and_every_notebook_an_exercise():
    assert sorted(exercises()) == sorted(JUDGES)
    there = {path.relative_to(NOTEBOOKS).with_suffix("").as_posix() for path in NOTEBOOKS.rglob("[0-9]*.ipynb")}
    assert there == {one.notebook for one in exercises().values()}


class TestWhatIsNotFilledIn:
    def test_is_said_in_a_sentence(self, built_lab):
        judged = check_exercise(built_lab, "queue-policy", statement(built_lab, Action=blank("action")))
        assert judged.sentence().startswith("The blank `action` is not filled in yet. Go back to the cell")
        assert (judged.word, judged.passed) == ("blank", False)

    def test_may_be_three_dots_too(self, built_lab):
        assert (
            "The blank `Principal` is"
            in check_exercise(built_lab, "queue-policy", statement(built_lab, Principal=...)).sentence()
        )

    @pytest.mark.parametrize("use", [lambda one: one.url, lambda one: one["url"], lambda one: one(), list, len])
    def test_says_so_wherever_it_is_used(self, use):
        with pytest.raises(LabError, match="The blank `queue` is not filled in yet") as caught:
            use(blank("queue"))
        assert caught.value.code == "missing-step"

    def test_says_so_when_it_is_shown(self):
        assert repr(blank("queue")) == "The blank `queue` is not filled in yet."


class TestMobilePicturesThatAre400Wide:
    @pytest.fixture(autouse=True)
    def its_own_code_runs_afterwards(self, built_lab):
        yield
        assert check_functions(built_lab).passed

    def upload(self, lab, old, new, function="CreateMobileImage"):
        code = change_code(lab, function, old, new).path.read_bytes()
        name = lab.branch("CreateMobileImage").function_name
        lab.client("lambda").update_function_code(FunctionName=name, ZipFile=code)

    def test_are_right(self, built_lab):
        self.upload(built_lab, "within(640, 320)", "within(400, 320)")
        assert "400 x 267 pixels" in check_exercise(built_lab, "smaller-mobile").said

    @pytest.mark.parametrize(
        ("new", "said"),
        [
            ("within(640, 320) ", "480 x 320 as before"),
            ("within(320, 400)", "`within` takes the width first"),
            ("within(400, 200)", "the height stops it"),
            ("within(410, 320)", "The picture is 410 x 273, and was to be 400 wide"),
        ],
    )
    def test_a_mistake_is_told_by_the_picture(self, built_lab, new, said):
        self.upload(built_lab, "within(640, 320)", new)
        assert said in check_exercise(built_lab, "smaller-mobile").said

    def test_code_that_fails_on_photos_alone_is_told_by_its_log_and_at_once(self, built_lab, monkeypatch):
        monkeypatch.setattr(deeds, "RESULTS_WITHIN_S", 20)  # nobody waits for the picture of a failed try
        self.upload(built_lab, "within(640, 320)", "(400, 320)")
        said = check_exercise(built_lab, "smaller-mobile").said
        assert said.startswith("Every photo would end in the dead letters: ")
        assert "TypeError" in said

    def test_the_package_of_another_function_is_told_by_its_error(self, built_lab):
        self.upload(built_lab, "quality=QUALITY", "quality=70", "CreateThumbnail")
        said = check_exercise(built_lab, "smaller-mobile").said
        assert "Every message would end in the dead letters: Runtime.ImportModuleError" in said


class TestAPhotoByHand:
    def put(self, lab, key, body=None, **more):
        body = sample("HappyFace.jpg").read_bytes() if body is None else body
        lab.client("s3").put_object(Bucket=lab.definition.bucket_name, Key=key, Body=body, **more)
        return check_exercise(lab, "photo-by-hand", key)

    def keys(self, lab):
        listed = lab.client("s3").list_objects_v2(Bucket=lab.definition.bucket_name).get("Contents", [])
        return [one["Key"] for one in listed if "by-hand" in one["Key"]]

    def test_goes_through_and_stays(self, built_lab):
        judged = self.put(built_lab, "ingest/by-hand.jpg", ContentType="image/jpeg")
        assert judged.passed, judged.said
        assert len(self.keys(built_lab)) == 4

    @pytest.mark.parametrize(
        ("key", "body", "said"),
        [
            ("by-hand.jpg", None, "begin with `ingest/`"),
            ("ingest/by-hand.JPG", None, "the rule wants `.jpg`, to the letter"),
            ("ingest/by-hand-0.jpg", b"", "S3 stored 0 bytes"),
            ("ingest/by-hand-1.jpg", b"no picture", "three functions failed on it"),
            ("ingest/by-hand-2.jpg", None, "its type is binary/octet-stream"),
        ],
    )
    def test_a_mistake_is_told_by_what_it_does_and_is_gone(self, new_lab, key, body, said):
        lab = new_lab()
        catch_up(lab, to=4)
        judged = self.put(lab, key, body)
        assert said in judged.said
        assert self.keys(lab) == []

    def test_one_that_is_not_there_is_said(self, built_lab):
        said = check_exercise(built_lab, "photo-by-hand", "ingest/by-hand-7.jpg").said
        assert said.startswith("The bucket has no object 'ingest/by-hand-7.jpg'")

    def test_what_somebody_else_put_there_is_left_alone(self, built_lab):
        bucket = built_lab.definition.bucket_name
        built_lab.client("s3").put_object(Bucket=bucket, Key="notes.txt", Body=b"mine")
        assert not check_exercise(built_lab, "photo-by-hand", "notes.txt").passed
        assert built_lab.client("s3").head_object(Bucket=bucket, Key="notes.txt")


class TestAFourthListener:
    @pytest.fixture
    def queue(self, lab):
        """A lab with a topic, and a queue of the student's own."""
        catch_up(lab, to=2)
        name = f"{lab.definition.prefix}fourth-queue"
        sqs = lab.client("sqs")
        url = sqs.create_queue(QueueName=name, tags=lab.definition.tags)["QueueUrl"]
        return name, url  # it carries the lab's tags, and goes with the lab

    def allow(self, lab, name, url):
        document = {"Version": "2012-10-17", "Statement": [statement(lab, Resource=lab.arn("sqs", name))]}
        lab.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(document)})

    def subscribe(self, lab, name, **attributes):
        topic, endpoint = lab.definition.topic_arn, lab.arn("sqs", name)
        lab.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint, Attributes=attributes)

    def test_hears_of_it_and_is_gone_again(self, lab, queue):
        self.allow(lab, *queue)
        self.subscribe(lab, queue[0])
        judged = check_exercise(lab, "fourth-queue", queue[0])
        assert judged.passed, judged.said
        assert queue[0] not in str(inventory(lab))
        assert queue[0] not in str(lab.client("sns").list_subscriptions_by_topic(TopicArn=lab.definition.topic_arn))

    def test_that_is_not_subscribed_hears_nothing(self, lab, queue):
        assert "nobody sends it anything" in check_exercise(lab, "fourth-queue", queue[0]).said

    def test_that_lets_nobody_send_is_deaf(self, lab, queue):
        self.subscribe(lab, queue[0])
        assert "Subscribed, and deaf" in check_exercise(lab, "fourth-queue", queue[0]).said

    def test_with_a_filter_hears_nothing_of_s3(self, lab, queue):
        self.allow(lab, *queue)
        self.subscribe(lab, queue[0], FilterPolicy='{"size": ["large"]}')
        assert "Its filter policy lets nothing through" in check_exercise(lab, "fourth-queue", queue[0]).said

    def test_with_raw_delivery_loses_the_envelope(self, lab, queue):
        self.allow(lab, *queue)
        self.subscribe(lab, queue[0], RawMessageDelivery="true")
        assert "Raw delivery is on" in check_exercise(lab, "fourth-queue", queue[0]).said

    def test_without_tags_would_be_left_by_clean_up(self, lab, queue):
        lab.client("sqs").untag_queue(QueueUrl=queue[1], TagKeys=["Lab"])
        assert "clean-up would take it for someone else's" in check_exercise(lab, "fourth-queue", queue[0]).said
        lab.client("sqs").delete_queue(QueueUrl=queue[1])

    def test_that_is_not_there_is_said(self, lab):
        assert check_exercise(lab, "fourth-queue", "no-queue").said == "There is no queue no-queue."

    def test_left_unfinished_it_goes_with_the_lab(self, lab, queue):
        assert ("queue", queue[0]) in inventory(lab).things


class TestDeadLetters:
    """Two ways for a message of a good photo to become one would take half a minute: here one try is enough."""

    @pytest.fixture
    def key(self, lab):
        catch_up(lab, to=4)
        branch, sqs = lab.branch("CreateThumbnail"), lab.client("sqs")
        self.deploy(lab, "raise ValueError('broken')")
        url = sqs.get_queue_url(QueueName=branch.queue_name)["QueueUrl"]
        once = json.dumps({"deadLetterTargetArn": branch.dead_letter_queue_arn, "maxReceiveCount": 1})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1", "RedrivePolicy": once})
        upload = upload_photo(lab, sample("HappyFace.jpg"), name="good.jpg")
        wait_for_dead_letters(lab, 1, seconds=30)
        return upload.key

    def deploy(self, lab, line="return resize_batch(event, context, RULE)"):
        changed = change_code(lab, "CreateThumbnail", "return resize_batch(event, context, RULE)", line)
        name = lab.branch("CreateThumbnail").function_name
        lab.client("lambda").update_function_code(FunctionName=name, ZipFile=changed.path.read_bytes())

    def move(self, lab, **more):
        dead = lab.branch("CreateThumbnail").dead_letter_queue_arn
        lab.client("sqs").start_message_move_task(SourceArn=dead, **more)

    def said(self, lab, key):
        return check_exercise(lab, "redriven", key).sentence()

    def test_are_right_when_fixed_and_sent_back(self, lab, key):
        self.deploy(lab)
        self.move(lab)
        assert self.said(lab, key).startswith("Right. thumbnail/Thumbnail-good.jpg is there: late, and not lost.")

    def test_may_go_back_by_hand_too(self, lab, key):
        self.deploy(lab)
        redrive(lab, "CreateThumbnail")
        assert self.said(lab, key).startswith("Right. ")

    def test_with_their_cause_still_there_are_told_to_wait(self, lab, key):
        said = "Not yet. The cause is still there (ValueError: broken): fix that first."
        assert self.said(lab, key) == said

    def test_sent_back_too_early_fail_again(self, lab, key):
        self.move(lab)
        assert "(ValueError: broken): what you sent back fails again" in self.said(lab, key)

    def test_that_nobody_sends_back_stay(self, lab, key):
        self.deploy(lab)
        assert "The cause is fixed, and 1 dead letter still in" in self.said(lab, key)

    def test_sent_to_another_queue_make_another_picture(self, lab, key):
        self.deploy(lab)
        self.move(lab, DestinationArn=lab.branch("CreateWebImage").queue_arn)
        assert "whose function makes another picture" in self.said(lab, key)

    def test_that_are_deleted_are_lost(self, lab, key):
        self.deploy(lab)
        sqs, dead = lab.client("sqs"), lab.branch("CreateThumbnail").dead_letter_queue_name
        sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=dead)["QueueUrl"])
        assert "a deleted letter is lost, and S3 sends no other" in self.said(lab, key)


class TestTheDepthOfAQueue:
    @pytest.fixture
    def name(self, lab):
        """A queue with five messages that wait, three in flight, and one that is delayed."""
        sqs, name = lab.client("sqs"), f"{lab.definition.prefix}depth-queue-{lab.definition.suffix}"
        settings = {"VisibilityTimeout": "900"}
        url = sqs.create_queue(QueueName=name, Attributes=settings, tags=lab.definition.tags)["QueueUrl"]
        entries = [{"Id": str(n), "MessageBody": "a photo", "DelaySeconds": 900 if n == 0 else 0} for n in range(9)]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3)
        return name

    def test_counts_what_waits_is_in_flight_and_is_delayed(self, lab, name):
        said = check_exercise(lab, "depth-of-a-queue", name, 9).said
        assert said == "5 wait, 3 are in flight, 1 delayed: the queue holds 9 messages."

    @pytest.mark.parametrize(
        ("depth", "said"),
        [
            (5, "These only wait. 3 are in flight"),
            (3, "it counts who works"),
            (1, "These are delayed"),
            (8, "1 more is on its way"),
            (6, "3 in flight are missing"),
            (7, "holds 9 messages, not 7"),
            ("531", "`int()` makes numbers"),
            ([], "The depth is a number"),
        ],
    )
    def test_a_mistake_is_told_by_what_it_leaves_out(self, lab, name, depth, said):
        judged = check_exercise(lab, "depth-of-a-queue", name, depth)
        assert not judged.passed
        assert said in judged.said

    def test_of_no_queue_is_said(self, lab):
        assert check_exercise(lab, "depth-of-a-queue", "no-queue", 1).said == "There is no queue no-queue."

    def test_its_queue_goes_with_the_lab(self, lab, name):
        assert ("queue", name) in inventory(lab).things


GREY_CODE = """from batch import Rule, resize_batch
from image import within

RULE = Rule("CreateGreyImage", "grey/", "GreyImage-", within(800, 800), finish=lambda picture: picture.convert("L"))


def handler(event, context):
    return resize_batch(event, context, RULE)
"""


class TestAFunctionOfOnesOwn:
    def said(self, lab, folder, old="", new=""):
        (folder / "CreateGreyImage.py").write_text(GREY_CODE.replace(old, new) if old else GREY_CODE, "utf-8")
        return check_exercise(lab, "function-of-ones-own", folder).sentence()

    def test_is_right_when_its_picture_is(self, lab, tmp_path):
        right = "Right. A picture of 2880 x 1920 comes out grey, with 800 x 533 pixels, under `grey/`."
        assert self.said(lab, tmp_path) == right

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ('"grey/"', '"ingest/grey/"', "with results of its own, and so on for ever"),
            ('"grey/"', '"grey"', "`greyGreyImage-cat.jpg`: a folder's name ends in a slash"),
            ('"GreyImage-"', '"Grey-"', "the lab looks for `grey/GreyImage-cat.jpg`"),
            ('Rule("CreateGreyImage"', 'Rule("CreateMobileImage"', "would say that CreateMobileImage made them"),
            ("within(800, 800)", "within(800, 400)", "comes out with 600 x 400, not 800 x 533"),
            ('picture.convert("L")', "picture", "The picture comes out in colour"),
            ("return resize", "resize", "The handler returns nothing"),
            ("from image import within", "", "dead letters: NameError: name 'within' is not defined"),
            ("def handler", "def handle", "has no attribute 'handler'"),
            ("def handler", "print(RULE)\n\n\ndef handle", "has no attribute 'handler'"),
            ('"grey/"', "(1, 2)", "a folder's name ends in a slash"),
            ("RULE = Rule(", "RULE = Rule[", "dead letters: SyntaxError"),
        ],
    )
    def test_a_mistake_is_told_by_what_it_does(self, lab, tmp_path, old, new, said):
        told = self.said(lab, tmp_path, old, new)
        assert told.startswith("Not yet. ")
        assert said in told

    @pytest.mark.parametrize(
        ("old", "new", "name"),
        [("Rule(", "... or Rule(", "RULE"), ("within(800, 800)", "...", "size"), ('"grey/"', "...", "folder")],
    )
    def test_a_blank_in_the_file_is_named(self, lab, tmp_path, old, new, name):
        said = f"The blank `{name}` in CreateGreyImage.py is not filled in yet. Go back to the cell"
        assert self.said(lab, tmp_path, old, new).startswith(said)
        assert lab.journal.answers("exercise")[-1].facts["verdict"] == "blank"

    def test_that_is_not_written_is_said(self, lab, tmp_path):
        assert "run the cell that writes it" in check_exercise(lab, "function-of-ones-own", tmp_path).said


class TestAnAlarmOnARate:
    def said(self, lab, expression="100 * (m1 - m2) / m1", queue="", stat="Sum", tagged=True, **changes):
        def asked(one, metric):
            of = [{"Name": "QueueName", "Value": queue or lab.branch("CreateThumbnail").queue_name}]
            measured = {"Namespace": "AWS/SQS", "MetricName": metric, "Dimensions": of}
            return {"Id": one, "MetricStat": {"Metric": measured, "Period": 60, "Stat": stat}, "ReturnData": False}

        rate = {"Id": "rate", "Expression": expression}
        metrics = [asked("m1", "NumberOfMessagesReceived"), asked("m2", "NumberOfMessagesDeleted"), rate]
        rule = {"Threshold": 50, "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Metrics": metrics, **changes}
        own = f"{lab.definition.prefix}image-alarm-mine-{lab.definition.suffix}"
        wanted = {name: value for name, value in rule.items() if value is not None}
        tags = [{"Key": key, "Value": value} for key, value in lab.definition.tags.items()] if tagged else []
        lab.client("cloudwatch").put_metric_alarm(AlarmName=own, EvaluationPeriods=1, Tags=tags, **wanted)
        said = check_exercise(lab, "failure-rate", own).sentence()
        lab.client("cloudwatch").delete_alarms(AlarmNames=[own])
        return said

    @pytest.mark.parametrize("expression", ["100 * (m1 - m2) / m1", "(1 - m2/m1) * 100", "100 - 100 * m2 / m1"])
    def test_is_right_however_it_is_written(self, lab, expression):
        said = "Right. Of 200 messages received and 60 deleted it makes 70, and rings."
        assert self.said(lab, expression) == said

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"expression": "100 * m2 / m1"}, "it makes 30: that is how many go well"),
            ({"expression": "(m1 - m2) / m1"}, "it makes 0.7: a share between 0 and 1"),
            ({"expression": "100 * (m2 - m1) / m1"}, "it makes -70: it falls when more tries fail"),
            ({"expression": "m1 - m2"}, "it makes 140: that is a count"),
            ({"expression": "100 * (m1 - m2) / m2"}, "the rate of failures is 70"),
            ({"queue": "another-queue"}, "It watches another-queue, and not"),
            ({"stat": "Average"}, "Average of NumberOfMessagesReceived is not how many there were"),
            ({"Threshold": 5}, "It rings from 5 on"),
            ({"ComparisonOperator": "LessThanThreshold"}, "It rings as long as all is well"),
            ({"ComparisonOperator": "GreaterThanThreshold"}, "At exactly 50 it stays silent"),
            ({"tagged": False}, "clean-up would take it for someone else's"),
        ],
    )
    def test_a_mistake_is_told_by_what_it_does(self, lab, changes, said):
        told = self.said(lab, **changes)
        assert told.startswith("Not yet. ")
        assert said in told

    def test_on_one_metric_is_no_rate(self, lab):
        one = {"Namespace": "AWS/SQS", "MetricName": "NumberOfMessagesReceived", "Period": 60, "Statistic": "Sum"}
        assert "a rate needs two metrics and an expression" in self.said(lab, Metrics=None, **one)

    def test_that_is_not_there_is_said(self, lab):
        assert check_exercise(lab, "failure-rate", "no-alarm").said == "There is no alarm no-alarm."

    def test_is_neither_right_nor_wrong_where_no_expression_is_kept(self, lab):
        def forget(parsed, **_):
            for alarm in parsed["MetricAlarms"]:
                alarm.pop("Metrics", None)

        lab.client("cloudwatch").meta.events.register("after-call.cloudwatch.DescribeAlarms", forget)
        said = "What answers here keeps no expression of an alarm, so that there is nothing to judge."
        assert self.said(lab) == said
        assert [one.facts["verdict"] for one in lab.journal.answers("exercise")] == ["unjudged"]


def test_a_lab_without_queues_has_an_empty_list(lab):
    assert check_exercise(lab, "queues-of-this-lab", []).passed


class TestTheJournal:
    def test_keeps_each_attempt(self, lab):
        check_exercise(lab, "message-attributes", {})
        check_exercise(lab, "message-attributes", {"size": size("String", "large")})
        kept = [(one.name, one.facts["verdict"]) for one in lab.journal.answers("exercise")]
        assert kept == [("message-attributes", "wrong"), ("message-attributes", "right")]

    def test_knows_them_when_the_lab_is_opened_again_and_lists_no_thing_for_them(self, lab, workspace):
        check_exercise(lab, "message-attributes", ...)
        again = open_lab("local", prefix=lab.definition.prefix, workspace=workspace)
        assert [one.facts["verdict"] for one in again.journal.answers()] == ["blank"]
        assert inventory(again).things == ()


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    """The folder of the students' notebooks."""
    return make_student_notebooks(NOTEBOOKS, tmp_path_factory.mktemp("students") / "notebooks").folder


class TestAStudentsCopy:
    """The cells of a student's notebook, none of them filled in."""

    @pytest.mark.parametrize("name", [*RIGHT, "photo-by-hand", "depth-of-a-queue"])
    def test_says_which_blank_is_not_filled_in(self, lab, name, students):
        path = students / f"{exercise(name).notebook}.ipynb"
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        check = next(n for n, source in enumerate(code) if f'check_exercise(lab, "{name}"' in source)
        queue = SimpleNamespace(arn="arn:aws:sqs:us-east-1:123456789012:queue")
        names = {"lab": lab, "queue": queue, "name": "a-queue"}
        exec(code[check - 1], names)
        *before, last = code[check].splitlines()
        exec("\n".join(["from labkit import check_exercise", *before]), names)
        judged = eval(last, names)
        assert judged.word == "blank"
        assert judged.sentence().startswith("The blank `")


class TestTheTexts:
    def test_hints_are_folded_one_in_the_other_and_the_answer_in_the_second(self):
        shown = exercise("queue-policy")._repr_mimebundle_()
        html = shown["text/html"]
        assert html.index("Hint 1") < html.index("Hint 2") < html.index("The answer") < html.index("sqs:SendMessage")
        assert html.count("</details></details></details>") == 1
        assert "sqs:SendMessage" not in shown["text/plain"]
        assert "`" not in shown["text/plain"] + html

    def test_one_that_is_not_there_is_refused_with_those_there_are(self):
        with pytest.raises(LabError, match="There is no exercise 'policy'") as caught:
            exercise("policy")
        assert "queue-policy" in caught.value.hint()

    def test_another_number_of_answers_is_refused(self, lab):
        with pytest.raises(LabError, match="wants another number of answers") as caught:
            check_exercise(lab, "queue-policy")
        assert caught.value.code == "bad-option"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[[exercise]]\nname = 'x'", ", exercise 1: it has no title"),
            ("[[exercise]", "is not valid TOML"),
            (
                "[[exercise]]\nname='x'\ntitle='X'\nafter='It stays.'\nanswer='1'\nhints=['one']",
                "exercise 1: it needs 2 hints",
            ),
            (
                "[[exercise]]\nname='x'\ntitle='X'\nafter='It stays.'\nanswer='1'\nhints=['a','b']\nhint='c'",
                "it has 'hint', which is none of",
            ),
            ("[[exercise]]\nname='x'\ntitle=''\nafter='It stays.'\nanswer='1'\nhints=['a','b']", "title is not a text"),
        ],
    )
    def test_a_faulty_file_is_refused_with_its_place(self, tmp_path, text, said):
        path = tmp_path / "01_topic.toml"
        path.write_text(text, "utf-8")
        with pytest.raises(LabError) as caught:
            read_exercises(path)
        assert said in caught.value.message
        assert str(path) in caught.value.message
