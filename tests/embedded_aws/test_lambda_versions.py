"""Names of functions, versions, aliases and their revisions."""

import json

import pytest
from account import zipped
from refused import refused, unchecked

WHO = "def handler(e, c): return [c.invoked_function_arn, c.function_version]"
MISMATCH = "The derived qualifier from the function name does not match the specified qualifier."
STALE = (
    "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the "
    "latest Revision Id"
)


def arn(name, qualifier=None):
    base = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    return f"{base}:{qualifier}" if qualifier else base


def missing(name, qualifier=None):
    return 404, "ResourceNotFoundException", f"Function not found: {arn(name, qualifier)}"


def changed(aws, name, text):
    """Change the function and wait, as a waiter does."""
    aws.lam.update_function_configuration(FunctionName=name, Description=text)
    return aws.lam.get_function_configuration(FunctionName=name)


class TestNames:
    """https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html#API_GetFunction_RequestSyntax"""

    @pytest.mark.parametrize("call", ["get_function", "get_function_configuration", "delete_function", "invoke"])
    def test_two_qualifiers_that_contradict_each_other(self, aws, call):
        answer = refused(getattr(aws.lam, call), FunctionName="some:1", Qualifier="$LATEST")
        assert answer == (400, "InvalidParameterValueException", MISMATCH)

    def test_a_name_that_no_function_can_have_is_told_before_its_region(self, aws):
        wrong = "arn:aws:lambda:nowhere:123456789012:function:f"
        status, code, words = refused(aws.lam.get_function, FunctionName=wrong)
        assert (status, code) == (400, "ValidationException")
        assert words.startswith(f"1 validation error detected: Value '{wrong}' at 'functionName' failed to satisfy")

    def test_half_an_arn_names_a_function(self, aws):
        half = "arn:aws:lambda:us-east-1:123456789012:function"
        assert refused(aws.lam.get_function, FunctionName=half) == missing("function")

    def test_an_answer_names_what_was_asked_for(self, aws):
        name = aws.function(WHO)
        aws.lam.publish_version(FunctionName=name)
        aws.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        for qualifier in (None, "$LATEST", "1", "live"):
            asked = {"Qualifier": qualifier} if qualifier else {}
            shown = aws.lam.get_function(FunctionName=name, **asked)["Configuration"]
            assert shown["FunctionArn"] == arn(name, qualifier)
            assert aws.invoke(name, **asked)[0][0] == arn(name, qualifier)


class TestVersions:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html"""

    def test_what_has_not_changed_is_not_published_twice(self, aws):
        name = aws.function(WHO, Publish=True)
        again = aws.lam.publish_version(FunctionName=name, Description="again")
        assert (again["Version"], again["Description"]) == ("1", "")
        changed(aws, name, "second")
        second = aws.lam.publish_version(FunctionName=name)
        assert (second["Version"], second["FunctionArn"], second["Description"]) == ("2", arn(name, 2), "second")
        assert aws.lam.get_function_configuration(FunctionName=name, Qualifier="1")["Description"] == ""

    def test_the_number_of_a_deleted_version_is_not_given_again(self, aws):
        name = aws.function(WHO, Publish=True)
        aws.lam.delete_function(FunctionName=name, Qualifier="1")
        assert refused(aws.lam.get_function, FunctionName=name, Qualifier="1") == missing(name, 1)
        assert aws.lam.publish_version(FunctionName=name)["Version"] == "2"

    def test_what_can_be_deleted(self, aws):
        name = aws.function(WHO)
        aws.lam.delete_function(FunctionName=name, Qualifier="77")  # which is not there
        words = "$LATEST version cannot be deleted without deleting the function."
        answer = refused(aws.lam.delete_function, FunctionName=name, Qualifier="$LATEST")
        assert answer == (400, "InvalidParameterValueException", words)
        aws.lam.delete_function(FunctionName=name)
        assert refused(aws.lam.delete_function, FunctionName=name, Qualifier="77") == missing(name)

    def test_lists_leave_out_the_state(self, aws):
        name = aws.function(WHO, Publish=True)
        versions = aws.lam.list_versions_by_function(FunctionName=name)["Versions"]
        assert [version["FunctionArn"] for version in versions] == [arn(name, "$LATEST"), arn(name, 1)]
        functions = aws.lam.get_paginator("list_functions").paginate(FunctionVersion="ALL").build_full_result()
        mine = [one for one in functions["Functions"] if one["FunctionName"] == name]
        assert [one["Version"] for one in mine] == ["$LATEST", "1"]
        for one in (*versions, *mine):
            assert {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & set(one) == set()
        assert refused(aws.lam.list_versions_by_function, FunctionName="none") == missing("none")

    def test_a_list_comes_in_pages(self, aws):
        name = aws.function(WHO, Publish=True)
        first = aws.lam.list_versions_by_function(FunctionName=name, MaxItems=1)
        rest = aws.lam.list_versions_by_function(FunctionName=name, MaxItems=1, Marker=first["NextMarker"])
        assert [one["Version"] for one in first["Versions"] + rest["Versions"]] == ["$LATEST", "1"]
        assert "NextMarker" not in rest
        answer = refused(aws.lam.list_versions_by_function, FunctionName=name, Marker="x")
        assert answer == (400, "InvalidParameterValueException", "Invalid Marker")

    def test_an_update_that_publishes_tells_of_the_version(self, aws):
        name = aws.function(WHO)
        told = aws.lam.update_function_code(FunctionName=name, ZipFile=zipped("def handler(e, c): pass"), Publish=True)
        assert (told["Version"], told["FunctionArn"], told["State"]) == ("1", arn(name, 1), "Pending")
        assert "LastUpdateStatus" not in told

    def test_a_reservation_counts_for_versions_that_were_published_before(self, aws):
        name = aws.function(WHO, Publish=True)
        aws.lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        status, code, words = refused(aws.lam.invoke, FunctionName=name, Qualifier="1")
        assert (status, code, words) == (429, "TooManyRequestsException", "Rate Exceeded.")
        assert aws.lam.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 0}
        aws.lam.delete_function_concurrency(FunctionName=name)
        assert "ReservedConcurrentExecutions" not in aws.lam.get_function_concurrency(FunctionName=name)

    def test_only_a_function_can_reserve(self, aws):
        put = aws.lam.put_function_concurrency
        words = "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
        words += "operation. Please specify either a function name or an unqualified function ARN."
        answer = refused(put, FunctionName=arn("f", "$LATEST"), ReservedConcurrentExecutions=0)
        assert answer == (400, "InvalidParameterValueException", words)
        assert refused(put, FunctionName="none", ReservedConcurrentExecutions=1) == missing("none", "$LATEST")


class TestRevisions:
    """https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html#API_PublishVersion_ResponseSyntax"""

    def test_publishing_is_a_revision_of_both_and_an_alias_of_neither(self, aws):
        name = aws.function(WHO)

        def revision(qualifier):
            return aws.lam.get_function_configuration(FunctionName=name, Qualifier=qualifier)["RevisionId"]

        before = revision("$LATEST")
        version = aws.lam.publish_version(FunctionName=name, RevisionId=before)["RevisionId"]
        after = revision("$LATEST")
        assert len({before, version, after}) == 3
        alias = aws.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")["RevisionId"]
        assert (revision("1"), revision("$LATEST")) == (version, after)
        answer = refused(aws.lam.update_alias, FunctionName=name, Name="live", RevisionId=version)
        assert answer == (412, "PreconditionFailedException", STALE)
        assert aws.lam.update_alias(FunctionName=name, Name="live", RevisionId=alias)["RevisionId"] != alias

    def test_a_first_permission_may_name_the_revision_of_the_alias(self, aws):
        name = aws.function(WHO, Publish=True)
        alias = aws.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        add = {"FunctionName": name, "Qualifier": "live", "StatementId": "s", "Action": "lambda:InvokeFunction"}
        add |= {"Principal": "s3.amazonaws.com"}
        assert refused(aws.lam.add_permission, **add, RevisionId="wrong")[:2] == (412, "PreconditionFailedException")
        aws.lam.add_permission(**add, RevisionId=alias["RevisionId"])
        policy = json.loads(aws.lam.get_policy(FunctionName=name, Qualifier="live")["Policy"])
        assert policy["Statement"][0]["Resource"] == alias["AliasArn"]

    def test_a_permission_of_a_function_that_is_not_there(self, aws):
        answer = refused(aws.lam.remove_permission, FunctionName="none", StatementId="s")
        assert answer == (404, "ResourceNotFoundException", f"No policy found for: {arn('none')}")


class TestAliases:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html"""

    @pytest.fixture
    def name(self, aws):
        name = aws.function(WHO, Publish=True)
        changed(aws, name, "second")
        aws.lam.publish_version(FunctionName=name)
        return name

    def test_from_its_creation_to_its_end(self, aws, name):
        made = aws.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="text")
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
        shown = {"AliasArn": arn(name, "live"), "Name": "live", "FunctionVersion": "1", "Description": "text"}
        assert shown.items() <= made.items()
        assert "RoutingConfig" not in made
        assert aws.invoke(name, Qualifier="live")[0] == [arn(name, "live"), "1"]
        moved = aws.lam.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
        assert (moved["FunctionVersion"], moved["Description"]) == ("2", "text"), "what is not named stays"
        assert aws.invoke(arn(name, "live"))[0] == [arn(name, "live"), "2"]
        aws.lam.create_alias(FunctionName=name, Name="before", FunctionVersion="1")
        listed = aws.lam.list_aliases(FunctionName=name)["Aliases"]
        assert [alias["Name"] for alias in listed] == ["before", "live"]
        listed = aws.lam.list_aliases(FunctionName=name, FunctionVersion="2")["Aliases"]
        assert [alias["Name"] for alias in listed] == ["live"]
        for _ in range(2):  # one that is not there may be deleted, too
            gone = aws.lam.delete_alias(FunctionName=name, Name="live")
            assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
        words = f"Cannot find alias arn: {arn(name, 'live')}"
        answer = refused(aws.lam.get_alias, FunctionName=name, Name="live")
        assert answer == (404, "ResourceNotFoundException", words)
        answer = refused(aws.lam.update_alias, FunctionName=name, Name="live")
        assert answer == (404, "ResourceNotFoundException", f"Alias not found: {arn(name, 'live')}")

    def test_two_versions_each_get_their_share(self, aws, name):
        """https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html"""
        routing = {"AdditionalVersionWeights": {"2": 0.5}}
        made = aws.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig=routing)
        assert made["RoutingConfig"] == routing
        answers = [aws.invoke(name, Qualifier="live") for _ in range(40)]
        assert {version for (_, version), _ in answers} == {"1", "2"}
        assert all(told["ExecutedVersion"] == version for (_, version), told in answers)
        none = aws.lam.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
        assert "RoutingConfig" not in none

    @pytest.mark.parametrize(
        ("version", "weights", "answer"),
        [
            ("1", {"1": 0.8, "2": 0.2}, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
            ("1", {"1": 0.5},
             "Invalid function version 1. Function version 1 is already included in routing configuration."),
            ("$LATEST", {"1": 0.5}, "$LATEST is not supported for an alias pointing to more than 1 version"),
        ],
    )  # fmt: skip
    def test_weights_that_are_refused(self, aws, name, version, weights, answer):
        alias = {"FunctionName": name, "Name": "live", "FunctionVersion": version}
        routing = {"AdditionalVersionWeights": weights}
        said = refused(aws.lam.create_alias, **alias, RoutingConfig=routing)
        assert said == (400, "InvalidParameterValueException", answer)

    def test_weights_that_the_model_refuses(self, aws, name):
        alias = {"FunctionName": name, "Name": "live", "FunctionVersion": "1"}
        routing = {"AdditionalVersionWeights": {"2": 2}}
        said = refused(unchecked(aws, "lambda").create_alias, **alias, RoutingConfig=routing)
        words = (
            "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to "
            "satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
            "Member must have value greater than or equal to 0.0, Member must not be null]"
        )
        assert said == (400, "ValidationException", words)

    def test_versions_that_are_not_there_and_names_that_are(self, aws, name):
        create, alias = aws.lam.create_alias, {"Name": "live", "FunctionVersion": "1"}
        assert refused(create, FunctionName=name, **alias | {"FunctionVersion": "9"}) == missing(name, 9)
        routing = {"AdditionalVersionWeights": {"9": 0.5}}
        assert refused(create, FunctionName=name, **alias, RoutingConfig=routing) == missing(name, 9)
        assert refused(create, FunctionName="none", **alias) == missing("none", 1)
        create(FunctionName=name, **alias)
        answer = 409, "ResourceConflictException", f"Alias already exists: {arn(name, 'live')}"
        assert refused(create, FunctionName=name, **alias) == answer

    def test_a_function_takes_its_aliases_along(self, aws, name):
        aws.lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        aws.lam.delete_function(FunctionName=name)
        aws.function(WHO, FunctionName=name)
        assert aws.lam.list_aliases(FunctionName=name)["Aliases"] == []
