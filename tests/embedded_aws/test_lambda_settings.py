"""What hangs on a function: tags, settings of asynchronous invocations, mappings, and the URL that it has not.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
"""

import json

import pytest
from account import until
from refused import refused

ECHO = "def handler(e, c): return e"
FIFTY = {f"k{number}": "v" for number in range(50)}


def arn(name, qualifier=None):
    base = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    return f"{base}:{qualifier}" if qualifier else base


class TestTags:
    @pytest.fixture(params=["function", "mapping"])
    def tagged(self, request, aws):
        name = aws.function(ECHO)
        if request.param == "function":
            return arn(name)
        _, queue = aws.queue()
        made = aws.lam.create_event_source_mapping(FunctionName=name, EventSourceArn=queue)
        return made["EventSourceMappingArn"]

    def test_tags_are_added_overwritten_and_taken_away(self, aws, tagged):
        for tags in ({"a": "1"}, {"a": "2", "b": "3"}):
            answer = aws.lam.tag_resource(Resource=tagged, Tags=tags)
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert aws.lam.list_tags(Resource=tagged)["Tags"] == {"a": "2", "b": "3"}
        aws.lam.untag_resource(Resource=tagged, TagKeys=["a", "never there"])
        assert aws.lam.list_tags(Resource=tagged)["Tags"] == {"b": "3"}

    def test_tagging_is_a_revision(self, aws):
        name = aws.function(ECHO)
        before = aws.lam.get_function(FunctionName=name)["Configuration"]["RevisionId"]
        aws.lam.tag_resource(Resource=arn(name), Tags={"a": "1"})
        after = aws.lam.get_function(FunctionName=name)
        assert after["Configuration"]["RevisionId"] != before
        assert after["Tags"] == {"a": "1"}

    def test_fifty_and_no_more(self, aws):
        name = aws.function(ECHO, Tags=FIFTY)
        answer = 400, "InvalidParameterValueException", "Number of tags exceeds resource tag limit."
        assert refused(aws.lam.tag_resource, Resource=arn(name), Tags={"one more": "v"}) == answer
        aws.lam.tag_resource(Resource=arn(name), Tags={"k1": "another"})
        assert aws.lam.list_tags(Resource=arn(name))["Tags"] == FIFTY | {"k1": "another"}

    def test_a_function_with_too_many_is_not_made(self, aws):
        name = aws.name("f")
        create = {"FunctionName": name, "Role": aws.role(), "Handler": "fn.handler", "Runtime": "python3.12"}
        create |= {"Code": {"ZipFile": b"x"}, "Tags": FIFTY | {"one more": "v"}}
        answer = 400, "InvalidParameterValueException", "Number of tags exceeds resource tag limit."
        assert refused(aws.lam.create_function, **create) == answer

    def test_versions_and_aliases_have_none(self, aws):
        name = aws.function(ECHO, Publish=True)
        words = "Tags on function aliases and versions are not supported. Please specify a function ARN."
        for qualifier in ("1", "$LATEST", "live"):
            answer = refused(aws.lam.tag_resource, Resource=arn(name, qualifier), Tags={"a": "1"})
            assert answer == (400, "InvalidParameterValueException", words)

    def test_what_is_not_there(self, aws):
        answer = 404, "ResourceNotFoundException", f"Function not found: {arn('none')}"
        assert refused(aws.lam.list_tags, Resource=arn("none")) == answer
        uuid = "12345678-1234-1234-1234-123456789012"
        mapping = f"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:{uuid}"
        answer = 404, "ResourceNotFoundException", f"Event source mapping not found: {mapping}"
        assert refused(aws.lam.tag_resource, Resource=mapping, Tags={"a": "1"}) == answer
        name = aws.function(ECHO)
        words = "An error occurred and the request cannot be processed."
        answer = 400, "InvalidParameterValueException", words
        assert refused(aws.lam.tag_resource, Resource=arn(name), Tags={}) == answer


class TestEventConfigs:
    def none(self, name, qualifier):
        words = f"The function {arn(name, qualifier)} doesn't have an EventInvokeConfig"
        return 404, "ResourceNotFoundException", words

    def test_put_replaces_and_update_adds(self, aws):
        name = aws.function(ECHO)
        put, update = aws.lam.put_function_event_invoke_config, aws.lam.update_function_event_invoke_config
        assert refused(update, FunctionName=name, MaximumRetryAttempts=1) == self.none(name, "$LATEST")
        put(FunctionName=name, MaximumRetryAttempts=0)
        shown = put(FunctionName=name, MaximumEventAgeInSeconds=60)
        assert shown["FunctionArn"] == arn(name, "$LATEST")
        assert shown["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
        assert "MaximumRetryAttempts" not in shown
        update(FunctionName=name, MaximumRetryAttempts=1)
        shown = aws.lam.get_function_event_invoke_config(FunctionName=name)
        assert (shown["MaximumRetryAttempts"], shown["MaximumEventAgeInSeconds"]) == (1, 60)

    def test_each_version_has_its_own(self, aws):
        name = aws.function(ECHO, Publish=True)
        aws.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        get = aws.lam.get_function_event_invoke_config
        for retries, qualifier in enumerate(("$LATEST", "1", "live")):
            assert refused(get, FunctionName=name, Qualifier=qualifier) == self.none(name, qualifier)
            aws.lam.put_function_event_invoke_config(
                FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=retries
            )
        first = aws.lam.list_function_event_invoke_configs(FunctionName=name, MaxItems=2)
        rest = aws.lam.list_function_event_invoke_configs(FunctionName=name, Marker=first["NextMarker"])
        listed = first["FunctionEventInvokeConfigs"] + rest["FunctionEventInvokeConfigs"]
        assert {one["FunctionArn"].rsplit(":", 1)[1]: one["MaximumRetryAttempts"] for one in listed} == {
            "$LATEST": 0, "1": 1, "live": 2,
        }  # fmt: skip
        aws.lam.delete_function_event_invoke_config(FunctionName=name, Qualifier="1")
        assert refused(get, FunctionName=name, Qualifier="1") == self.none(name, "1")

    def test_what_is_refused(self, aws):
        name = aws.function(ECHO)
        put = aws.lam.put_function_event_invoke_config

        def to(target):
            return refused(put, FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": target}})

        words = "You must specify at least one of error handling or destination setting."
        assert refused(put, FunctionName=name) == (400, "InvalidParameterValueException", words)
        words = "You can't specify the function as a destination for itself."
        assert to(arn(name)) == (400, "InvalidParameterValueException", words)
        words = f"The destination ARN {arn('none')} is invalid."
        assert to(arn("none")) == (400, "InvalidParameterValueException", words)
        iam = arn(name).replace(":lambda:", ":iam:")
        words = "The provided destination config DestinationConfig(onSuccess=OnSuccess(destination="
        assert to(iam) == (400, "InvalidParameterValueException", f"{words}{iam}), onFailure=null) is invalid.")
        assert to("arn:aws:events:us-east-1:123456789012:event-bus/default")[:2] == (501, "NotImplemented")
        answer = 404, "ResourceNotFoundException", "The function doesn't exist."
        for missing in ({"FunctionName": "none"}, {"FunctionName": name, "Qualifier": "9"}):
            assert refused(put, **missing, MaximumRetryAttempts=1) == answer
        assert refused(aws.lam.list_function_event_invoke_configs, FunctionName="none") == answer

    def test_a_version_is_retried_as_its_own_settings_say(self, aws):
        name = aws.function("def handler(e, c): raise KeyError('x')", Publish=True)
        url, queue = aws.queue()
        aws.lam.put_function_event_invoke_config(
            FunctionName=name,
            Qualifier="1",
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": queue}},
        )
        aws.lam.invoke(FunctionName=name, Qualifier="1", InvocationType="Event", Payload=b"{}")
        (message,) = aws.receive(url)
        record = json.loads(message["Body"])
        context = record["requestContext"]
        assert (context["functionArn"], context["approximateInvokeCount"]) == (arn(name, "1"), 1)
        assert record["responseContext"]["executedVersion"] == "1"

    def test_an_event_that_would_be_too_old_for_its_retry(self, aws):
        name = aws.function("def handler(e, c): raise KeyError('x')")  # a retry comes after a minute
        url, queue = aws.queue()
        aws.lam.put_function_event_invoke_config(
            FunctionName=name, MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": queue}}
        )
        aws.lam.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
        (message,) = aws.receive(url)
        context = json.loads(message["Body"])["requestContext"]
        assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 1)

    def test_an_event_for_a_function_that_may_never_run(self, aws):
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
        name = aws.function(ECHO)
        (record_url, records), (letter_url, letters) = aws.queue(), aws.queue()
        aws.lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        aws.lam.put_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnFailure": {"Destination": records}}
        )
        aws.lam.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": letters})
        aws.lam.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 1}')
        (message,) = aws.receive(record_url)
        record = json.loads(message["Body"])
        assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
        assert record["requestContext"]["approximateInvokeCount"] == 0
        assert {"responseContext", "responsePayload"} & set(record) == set()
        letter = until(
            lambda: aws.sqs.receive_message(QueueUrl=letter_url, MessageAttributeNames=["All"]).get("Messages")
        )[0]
        assert json.loads(letter["Body"]) == {"n": 1}
        assert letter["MessageAttributes"]["ErrorCode"] == {"DataType": "Number", "StringValue": "429"}


class TestUrls:
    def test_a_function_has_no_url_and_cannot_get_one(self, aws):
        name = aws.function(ECHO)
        status, code, words = refused(aws.lam.create_function_url_config, FunctionName=name, AuthType="NONE")
        assert (status, code) == (501, "NotImplemented")
        assert words == "The embedded AWS does not have function URLs."
        gone = 404, "ResourceNotFoundException", "The resource you requested does not exist."
        for call in (aws.lam.get_function_url_config, aws.lam.delete_function_url_config):
            assert refused(call, FunctionName=name) == gone
        answer = 404, "ResourceNotFoundException", "Function does not exist"
        assert refused(aws.lam.create_function_url_config, FunctionName="none", AuthType="NONE") == answer


class TestMappings:
    """https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html"""

    def test_a_mapping_made_disabled_is_disabled_at_once(self, aws):
        _, queue = aws.queue()
        made = aws.lam.create_event_source_mapping(
            FunctionName=aws.function("def handler(e, c): pass"), EventSourceArn=queue, Enabled=False
        )
        assert made["State"] == "Disabled"
        enabled = aws.lam.update_event_source_mapping(UUID=made["UUID"], Enabled=True)
        assert enabled["State"] == "Enabling"

    def test_a_mapping_names_its_function_as_it_was_named(self, aws):
        source = "def handler(e, c): print('GOT', c.invoked_function_arn)"
        name = aws.function(source, Publish=True)
        alias = aws.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")["AliasArn"]
        url, queue = aws.queue()
        uuid = aws.mapping(f"{name}:live", queue)
        assert aws.lam.get_event_source_mapping(UUID=uuid)["FunctionArn"] == alias
        aws.sqs.send_message(QueueUrl=url, MessageBody="m")
        until(lambda: any(f"GOT {alias}" in message for message in aws.messages(name)))
        other = aws.function(source)
        aws.lam.update_event_source_mapping(UUID=uuid, FunctionName=other)
        (listed,) = aws.lam.list_event_source_mappings(FunctionName=other)["EventSourceMappings"]
        assert listed["FunctionArn"].endswith(f":{other}")
        assert aws.lam.list_event_source_mappings(FunctionName=name)["EventSourceMappings"] == []

    def test_a_list_of_mappings_comes_in_pages(self, aws):
        name = aws.function("def handler(e, c): pass")
        made = set()
        for _ in range(3):
            _, queue = aws.queue()
            made.add(aws.lam.create_event_source_mapping(FunctionName=name, EventSourceArn=queue)["UUID"])
        pages = list(
            aws.lam.get_paginator("list_event_source_mappings").paginate(
                FunctionName=name, PaginationConfig={"PageSize": 2}
            )
        )
        assert [len(page["EventSourceMappings"]) for page in pages] == [2, 1]
        assert {one["UUID"] for page in pages for one in page["EventSourceMappings"]} == made
