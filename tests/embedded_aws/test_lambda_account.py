"""The quotas of the account, and what is used of them.

https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
"""

from account import zipped

CODE = "def handler(e, c): return e"


def usage(aws):
    return aws.lam.get_account_settings()["AccountUsage"]


def test_the_quotas_are_those_of_a_new_account_that_has_asked_for_more(aws):
    limit = aws.lam.get_account_settings()["AccountLimit"]
    unreserved = limit.pop("UnreservedConcurrentExecutions")
    assert limit == {
        "TotalCodeSize": 80_530_636_800,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1_000,
    }
    assert unreserved <= 1_000


def test_what_a_function_reserves_is_not_left_for_the_others(aws):
    name = aws.function(CODE)
    before = aws.lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    aws.lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=7)
    assert aws.lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == before - 7
    aws.lam.delete_function_concurrency(FunctionName=name)
    assert aws.lam.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == before


def test_functions_versions_and_layers_are_counted(aws):
    before = usage(aws)
    name = aws.function(CODE)
    size = aws.lam.get_function_configuration(FunctionName=name)["CodeSize"]
    made = usage(aws)
    assert made == {
        "FunctionCount": before["FunctionCount"] + 1,
        "TotalCodeSize": before["TotalCodeSize"] + size,
    }
    aws.lam.publish_version(FunctionName=name)
    published = usage(aws)
    assert published == made | {"TotalCodeSize": made["TotalCodeSize"] + size}
    layer = zipped("x = 1")
    aws.lam.publish_layer_version(LayerName=aws.name("layer"), Content={"ZipFile": layer})
    assert usage(aws)["TotalCodeSize"] == published["TotalCodeSize"] + len(layer)
