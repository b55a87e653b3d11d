"""Operations that AWS has and the embedded AWS has not: refused as not implemented, whatever moto would make of them.

Operations of which moto knows nothing need no entry.
"""

from __future__ import annotations

from labkit.embedded_aws.http.operation import Operation
from labkit.embedded_aws.http.refusals import not_there

_OPERATIONS = {
    "iam": {"CreateServiceLinkedRole"},
    "logs": {
        "CreateDelivery", "PutDeliveryDestination", "PutDeliverySource", "PutDeliveryDestinationPolicy", "StartQuery",
        "CreateExportTask", "DeleteDestination", "DescribeDestinations", "PutDestination", "PutDestinationPolicy",
    },
    "monitoring": {
        "DeleteInsightRules", "DescribeInsightRules", "DisableInsightRules", "EnableInsightRules", "PutInsightRule",
        "PutMetricDataQueryDefinition",
    },
    "s3": {
        "CreateBucketMetadataConfiguration", "CreateBucketMetadataTableConfiguration", "CreateSession",
        "DeleteBucketAnalyticsConfiguration", "DeleteBucketIntelligentTieringConfiguration",
        "DeleteBucketMetadataConfiguration", "DeleteBucketMetadataTableConfiguration",
        "DeleteBucketMetricsConfiguration", "DeleteObjectAnnotation", "GetBucketAbac",
        "GetBucketAnalyticsConfiguration", "GetBucketIntelligentTieringConfiguration",
        "GetBucketMetadataConfiguration", "GetBucketMetadataTableConfiguration", "GetBucketMetricsConfiguration",
        "GetBucketRequestPayment", "GetObjectAnnotation", "GetObjectTorrent", "ListBucketAnalyticsConfigurations",
        "ListBucketIntelligentTieringConfigurations", "ListBucketMetricsConfigurations", "ListDirectoryBuckets",
        "ListObjectAnnotations", "PutBucketAbac", "PutBucketAnalyticsConfiguration",
        "PutBucketIntelligentTieringConfiguration", "PutBucketLifecycle", "PutBucketMetricsConfiguration",
        "PutBucketNotification", "PutBucketRequestPayment", "PutObjectAnnotation", "RenameObject",
        "SelectObjectContent",
        "UpdateBucketMetadataAnnotationTableConfiguration", "UpdateBucketMetadataInventoryTableConfiguration",
        "UpdateBucketMetadataJournalTableConfiguration", "UpdateObjectEncryption", "WriteGetObjectResponse",
    },
    "sts": {"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"},
    "sns": {
        "CheckIfPhoneNumberIsOptedOut", "CreatePlatformApplication", "CreatePlatformEndpoint", "DeleteEndpoint",
        "DeletePlatformApplication", "GetEndpointAttributes", "GetPlatformApplicationAttributes", "GetSMSAttributes",
        "ListEndpointsByPlatformApplication", "ListPhoneNumbersOptedOut", "ListPlatformApplications",
        "OptInPhoneNumber", "SetEndpointAttributes", "SetPlatformApplicationAttributes", "SetSMSAttributes",
    },
}  # fmt: skip


def check_is_there(operation: Operation) -> None:
    """Raise AwsError (501) when the embedded AWS does not have the operation."""
    if operation.name in _OPERATIONS.get(operation.service, ()):
        raise not_there(operation.name)
