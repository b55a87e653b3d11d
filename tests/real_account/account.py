"""What there is in an account, as plain data: taken before and after, it shows what a lab has left or touched."""

import json


def contents(session, **client_options):
    """Everything of the lab's kinds in the account that this boto3 session reaches, with its configuration."""

    def client(service):
        return session.client(service, **client_options)

    return {
        **_topics(client("sns")),
        **_queues(client("sqs")),
        **_alarms(client("cloudwatch")),
        **_buckets(client("s3")),
        **_functions(client("lambda")),
        **_roles(client("iam")),
        **_log_groups(client("logs")),
    }


def _topics(sns):
    found = {}
    for page in sns.get_paginator("list_topics").paginate():
        for arn in (topic["TopicArn"] for topic in page["Topics"]):
            found["topic", arn] = (
                sns.get_topic_attributes(TopicArn=arn)["Attributes"],
                sns.list_tags_for_resource(ResourceArn=arn)["Tags"],
            )
    for page in sns.get_paginator("list_subscriptions").paginate():
        for subscription in page["Subscriptions"]:
            found["subscription", subscription["SubscriptionArn"]] = subscription
    return found


def _queues(sqs):
    found = {}
    for page in sqs.get_paginator("list_queues").paginate():
        for url in page.get("QueueUrls", []):
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            # S3 greets every destination anew, a stranger's too, when a rule is added beside theirs.
            attributes = {name: value for name, value in attributes.items() if "ApproximateNumber" not in name}
            found["queue", url.rsplit("/", 1)[-1]] = (attributes, sqs.list_queue_tags(QueueUrl=url).get("Tags", {}))
    return found


def _alarms(cloudwatch):
    found = {}
    for page in cloudwatch.get_paginator("describe_alarms").paginate():
        for alarm in page["MetricAlarms"]:
            tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
            found["alarm", alarm["AlarmName"]] = (alarm["MetricName"], alarm["Threshold"], tags)
    return found


def _buckets(s3):
    found = {}
    for name in (bucket["Name"] for bucket in s3.list_buckets()["Buckets"]):
        notifications = s3.get_bucket_notification_configuration(Bucket=name)
        notifications.pop("ResponseMetadata")
        found["bucket", name] = notifications
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                found["object", name, version["Key"], version["VersionId"]] = version.get("ETag")
        for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
            found["upload", name, upload["Key"], upload["UploadId"]] = None
    return found


def _functions(client):
    found = {}
    for page in client.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            function.pop("RevisionId", None)
            found["function", function["FunctionName"]] = (
                json.loads(json.dumps(function, default=str)),
                client.list_tags(Resource=function["FunctionArn"])["Tags"],
            )
    for page in client.get_paginator("list_event_source_mappings").paginate():
        for mapping in page["EventSourceMappings"]:
            found["trigger", mapping["UUID"]] = (mapping["EventSourceArn"], mapping["FunctionArn"], mapping["State"])
    return found


def _roles(iam):
    found = {}
    for page in iam.get_paginator("list_roles").paginate():
        for name in (role["RoleName"] for role in page["Roles"]):
            policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
            found["role", name] = (
                iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"],
                [iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in policies],
                iam.list_role_tags(RoleName=name)["Tags"],
            )
    return found


def _log_groups(logs):
    found = {}
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            found["log group", group["logGroupName"]] = group.get("retentionInDays")
    return found
