"""The Delta library asks the connection's store, and nothing of the service's environment."""

from staging.sources.delta.store_address import storage_options, table_url
from staging.sources.s3_prefix import S3Prefix

PLACE = S3Prefix("our-bucket", "a b", region="eu-central-1", keys=("our-key", "hunter2"))


def test_every_option_that_the_environment_might_have_is_named():
    assert storage_options(PLACE, {"AWS_ACCESS_KEY_ID": "the service's"}) == {
        "connect_timeout": "2s",
        "timeout": "30s",
        "max_retries": "1",
        "retry_timeout": "30s",
        "aws_endpoint_url": "https://s3.eu-central-1.amazonaws.com",
        "aws_endpoint_url_s3": "https://s3.eu-central-1.amazonaws.com",
        "aws_region": "eu-central-1",
        "aws_virtual_hosted_style_request": "false",
        "aws_allow_http": "false",
        "aws_skip_signature": "false",
        "aws_s3_express": "false",
        "aws_access_key_id": "our-key",
        "aws_secret_access_key": "hunter2",
    }
    assert storage_options(PLACE, {"AWS_SESSION_TOKEN": "its own"})["aws_session_token"] == ""


def test_a_bucket_in_the_host_s_name_and_no_keys_are_said():
    place = S3Prefix("our-bucket", endpoint="http://store.test:9000", addressing="virtual")

    options = storage_options(place, {})
    assert options["aws_endpoint_url"] == "http://our-bucket.store.test:9000"
    assert options["aws_virtual_hosted_style_request"] == "true"
    assert (options["aws_allow_http"], options["aws_skip_signature"]) == ("true", "true")
    assert "aws_access_key_id" not in options


def test_the_url_of_a_table_is_quoted():
    assert table_url(PLACE, "ü #1") == "s3://our-bucket/a%20b/%C3%BC%20%231"
    assert table_url(PLACE, ".") == "s3://our-bucket/a%20b"
    assert table_url(S3Prefix("our-bucket"), "t") == "s3://our-bucket/t"
