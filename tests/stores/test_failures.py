"""What goes wrong between a store and us: what passes is tried again, all else is one sentence without secrets."""

import hashlib
import logging
import secrets
import socket

import pytest

from amadeus.errors import ConfigError, StoreError
from amadeus.home import open_home
from amadeus.stores import AlreadyThereError, open_store
from amadeus.stores.addresses import parse
from tests.stores import emulators
from tests.stores.conftest import QUICK
from tests.stores.proxy import LOST, Proxy

VARIABLE = {"gs": "STORAGE_EMULATOR_HOST", "s3": "AWS_ENDPOINT_URL_S3"}
BUCKETS = pytest.mark.parametrize("scheme", ["gs", "s3"])
KEY_ID, SECRET = "AKIA-WHO-SINGS", "a-secret-that-nobody-reads"
DENIED = {
    "gs": '{"error":{"code":403,"message":"no"}}',
    "s3": "<Error><Code>AccessDenied</Code></Error>",
}


@pytest.fixture
def way(reach, monkeypatch):
    """Makes a bucket, and a store whose way to it is a proxy with a plan."""
    proxies = []

    def make(scheme, plan=(), **options):
        environment = reach(scheme)
        bucket = f"amadeus-{secrets.token_hex(6)}"
        emulators.make_bucket(scheme, environment, bucket)
        proxy = Proxy(environment[VARIABLE[scheme]], plan, **options)
        proxies.append(proxy)
        monkeypatch.setenv(VARIABLE[scheme], proxy.url)
        return open_store(f"{scheme}://{bucket}/folder", patience=QUICK), proxy

    yield make
    for proxy in proxies:
        proxy.close()


@BUCKETS
def test_what_is_cut_off_or_busy_is_tried_again(way, scheme, tmp_path):
    data = bytes(range(256)) * 4000
    busy = (503, "<Error><Code>SlowDown</Code></Error>")
    store, proxy = way(scheme, [busy, (429, ""), LOST])
    (tmp_path / "source").write_bytes(data)
    store.upload(tmp_path / "source", "x", sha256=hashlib.sha256(data).hexdigest())
    assert proxy.n_connections >= 4
    proxy.close()
    cut, _ = way(scheme, [300_000, 600_000])
    cut = open_store(store.url, patience=QUICK)
    found = cut.download("x", tmp_path / "back", max_bytes=len(data))
    assert found == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "back").read_bytes() == data


@BUCKETS
def test_a_claim_whose_answer_is_lost_is_still_ours(way, scheme):
    store, proxy = way(scheme, [LOST])
    store.write("claim", b"mine", only_new=True)
    assert store.read("claim", max_bytes=10) == b"mine"
    assert proxy.n_connections >= 2
    with pytest.raises(AlreadyThereError):
        store.write("claim", b"theirs", only_new=True)


@BUCKETS
def test_a_claim_of_another_is_not_ours_when_the_way_is_bad(way, scheme):
    store, _ = way(scheme)
    store.write("claim", b"theirs")
    bad, _ = way(scheme, [LOST])
    bad = open_store(store.url, patience=QUICK)
    with pytest.raises(AlreadyThereError):
        bad.write("claim", b"mine", only_new=True)


@BUCKETS
def test_patience_ends_with_a_sentence(way, scheme):
    store, proxy = way(scheme, for_ever=(503, ""))
    with pytest.raises(StoreError, match=r"^\S+ |: ") as caught:
        list(store.list())
    assert store.url in str(caught.value)
    assert proxy.n_connections == QUICK.n_tries


@BUCKETS
def test_quota_is_called_by_its_name(way, scheme):
    store, _ = way(scheme, for_ever=(429, "<Error><Code>SlowDown</Code></Error>"))
    with pytest.raises(StoreError, match="refuses more requests for now"):
        store.write("x", b"x")


@BUCKETS
def test_what_one_may_not_do_is_not_tried_again(way, scheme):
    store, proxy = way(scheme, for_ever=(403, DENIED[scheme]))
    with pytest.raises(StoreError, match="ask the keeper of the bucket"):
        store.write("x", b"x")
    assert proxy.n_connections == 1


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId"])
def test_old_credentials_of_amazon_are_named(way, code):
    store, _ = way("s3", for_ever=(403, f"<Error><Code>{code}</Code></Error>"))
    with pytest.raises(StoreError, match=f"not valid, or no longer .{code}."):
        list(store.list())


@BUCKETS
def test_a_server_that_is_not_there_is_named(reach, scheme, monkeypatch):
    reach(scheme)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv(VARIABLE[scheme], f"http://127.0.0.1:{port}")
    store = open_store(f"{scheme}://some-bucket/x", patience=QUICK)
    with pytest.raises(StoreError, match=f"cannot be reached.*{VARIABLE[scheme]}"):
        list(store.list())


@BUCKETS
def test_a_bucket_that_is_not_there_is_named(reach, scheme, tmp_path):
    reach(scheme)
    store = open_store(f"{scheme}://no-such-bucket/x", patience=QUICK)
    with pytest.raises(StoreError, match="no bucket 'no-such-bucket'"):
        list(store.list())
    with pytest.raises(StoreError, match=r"no bucket|there is no \S+://no-such-bucket"):
        store.write("x", b"x")


def test_without_credentials_it_says_where_to_put_them(nobody):
    with pytest.raises(StoreError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        open_store("gs://some-bucket/x")
    with pytest.raises(StoreError, match="AWS_ACCESS_KEY_ID"):
        list(open_store("s3://some-bucket/x", patience=QUICK).list())


def test_minio_needs_the_address_of_its_server(nobody, reach):
    with pytest.raises(StoreError, match="AWS_ENDPOINT_URL_S3"):
        open_store("minio://mlpipeline/v2")
    environment = reach("s3")
    emulators.make_bucket("s3", environment, "mlpipeline")
    store = open_store("minio://mlpipeline/v2")
    store.write("x", b"x")
    assert open_store("s3://mlpipeline/v2").read("x", max_bytes=1) == b"x"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"s3://{KEY_ID}:{SECRET}@bucket/x", "name, a password"),
        (f"gs://bucket/x?X-Goog-Signature={SECRET}", "signature"),
        (f"s3://bucket/x?a=b&AWSAccessKeyId={SECRET}", "signature"),
        (f"gs://bucket?X-Goog-Signature={SECRET}", "signature"),
        (f"gs://bucket/x?access_token={SECRET}", "signature"),
        (f"s3://bucket?secret={SECRET}", "names no bucket"),
        ("gs://", "names no bucket"),
        ("gs:///x", "names no bucket"),
        ("gs://UPPER/x", "names no bucket"),
        ("http://bucket/x", "no store that Amadeus knows"),
        ("file://host/x", "another machine"),
        ("", "named by nothing"),
    ],
)
def test_what_is_no_address_is_refused_without_saying_it(url, why):
    with pytest.raises(ConfigError, match=why) as caught:
        parse(url)
    assert SECRET not in str(caught.value)


def test_addresses_are_read_and_written():
    for url in ("gs://bucket", "s3://bucket/a/b c/セロ", "minio://a.b-c/x", "/a/path"):
        assert parse(url).url == url
    assert parse("gs://bucket/a/").url == "gs://bucket/a"
    assert parse("file:///a/path").url == "/a/path"


@BUCKETS
def test_secrets_stand_in_no_sentence_and_no_log(way, scheme, monkeypatch, caplog):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"{SECRET}-token")
    said = []
    with caplog.at_level(logging.INFO):
        for answer in ((503, ""), (403, DENIED[scheme]), (400, SECRET[:1])):
            store, _ = way(scheme, for_ever=answer)
            with pytest.raises(StoreError) as caught:
                list(store.list())
            said.append(str(caught.value))
    text = "\n".join((*said, caplog.text))
    assert SECRET not in text
    assert KEY_ID not in text
    assert "tried again in" in text


@pytest.mark.parametrize("home", ["gs://bucket/home", "s3://bucket", "minio://b/h"])
def test_a_home_is_no_url(home):
    with pytest.raises(ConfigError, match="a home cannot lie in a store"):
        open_home(home)
