"""How a path is named, and what the three clients of S3 are told by the environment."""

import pytest

from jobs.runtime.stores import delta_options, files_below, folders_in, named, on_s3, refusal, spark_settings

VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_s3_has_one_name() -> None:
    assert named("s3://bucket/lake") == named("s3a://bucket/lake") == "s3a://bucket/lake"
    assert [named(path) for path in ("/srv/s3://", "lake", "gs://x")] == ["/srv/s3://", "lake", "gs://x"]
    assert [on_s3(path) for path in ("s3://b", "s3a://b", "/s3a", "gs://b")] == [True, True, False, False]


def test_aws_own_store_needs_nothing_but_its_region(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spark_settings() == {}
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert spark_settings() == {"spark.hadoop.fs.s3a.endpoint.region": "eu-central-1"}
    assert delta_options("s3a://bucket/lake") == {"aws_conditional_put": "etag"}
    assert delta_options("/srv/lake") is None


def test_a_store_of_ones_own_is_asked_by_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    assert spark_settings() == {
        "spark.hadoop.fs.s3a.endpoint": "http://minio:9000",
        "spark.hadoop.fs.s3a.path.style.access": "true",
    }
    assert delta_options("s3://bucket/lake") == {"aws_conditional_put": "etag", "aws_allow_http": "true"}
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.com")
    assert spark_settings()["spark.hadoop.fs.s3a.endpoint"] == "https://s3.example.com"
    assert delta_options("s3://bucket/lake") == {"aws_conditional_put": "etag"}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("Generic S3 error: …\n<Error><Code>AccessDenied</Code><Message>ann@x.org</Message></Error>", "AccessDenied"),
        ("Kernel error\n  \x1b[31m↳\x1b[0m GET\n   \x1b[31m↳\x1b[0m Connection refused", "Connection refused"),
        ("Generic S3 error: GET http://x in 1s - HTTP error: error sending request\n\nDebug: {}",
         "HTTP error: error sending request"),
        ("When listing objects under key 'x' in 'b': AWS Error NO_SUCH_BUCKET during ListObjectsV2 operation: x",
         "NO_SUCH_BUCKET"),
        ("Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 3s - HTTP error: timed out",
         "no credentials: neither the environment (AWS_ACCESS_KEY_ID, …) nor a role of this machine gives any"),
        ("", "OSError"),
    ],
)  # fmt: skip
def test_what_a_store_refuses_is_told_in_a_few_words(told: str, why: str) -> None:
    assert refusal(OSError(told)) == why


def test_what_is_not_there_holds_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("store")
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c.txt").write_text("x")
    (folder / "d.txt").write_text("x")
    assert folders_in(str(folder)) == ["a"] and files_below(str(folder)) == {"a/b/c.txt", "d.txt"}
    assert folders_in(str(folder / "none")) == [] and files_below(str(folder / "none")) == set()
