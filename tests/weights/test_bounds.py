"""Whatever a hub sends ends in a named error, in bounded time and memory."""

import contextlib
import json
import random
import tracemalloc

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from milonga.errors import DownloadError, WeightsError
from milonga.runtime.progress import Progress
from milonga.weights import load_json, locate
from milonga.weights.hub import answers, client
from milonga.weights.hub.answers import file_of
from milonga.weights.hub.client import Hub
from milonga.weights.hub.retries import Retry

DEEP = b"[" * 100_000
ROW = {"type": "file", "path": "config.json", "size": 2, "oid": "0" * 40}
FIRST = "revision/main"
BIGVGAN = "nvidia/bigvgan_v2_44khz_128band_512x"
WEIGHTS = "bigvgan_generator.pt"


def ask(connection, hub, repo, refused=False, **answer):
    """Asks everything that a hub can be asked while it answers so; each must end in its own way."""
    asked = {
        FIRST: lambda: connection.commit(BIGVGAN, "main"),
        f"tree/{repo.commit}": lambda: connection.files(BIGVGAN, repo.commit),
        WEIGHTS: lambda: connection.check_access(BIGVGAN, WEIGHTS, "main"),
    }
    for where, question in asked.items():
        hub.faults.clear()
        hub.fault(where, times=None, **answer)
        if refused and where != WEIGHTS:
            with pytest.raises(WeightsError):
                question()
        else:
            with contextlib.suppress(WeightsError):
                question()


@pytest.fixture
def listing(hub, bigvgan):
    """Makes the hub answer the request for its list with this body."""

    def answer(body, **headers):
        hub.fault(f"tree/{bigvgan.commit}", status=200, body=body, headers=headers, times=None)

    return answer


def test_pages_without_end(hub, bigvgan, quickly, listing, monkeypatch):
    monkeypatch.setattr(client, "_MOST_PAGES", 20)
    link = f"<{hub.endpoint}/api/models/a/b/tree/{bigvgan.commit}>"
    listing(json.dumps([ROW]).encode(), Link=f'{link}; rel="next"')
    with pytest.raises(DownloadError, match="goes on after 20 pages"):
        quickly()


@pytest.mark.parametrize("where", [FIRST, "tree", WEIGHTS])
@pytest.mark.parametrize("status", [200, 404, 418])
def test_answers_without_end(hub, bigvgan, quickly, monkeypatch, where, status):
    monkeypatch.setattr(answers, "_LONGEST_ANSWER", 100_000)
    where = f"tree/{bigvgan.commit}" if where == "tree" else where
    hub.fault(where, status=status, body=b'{"error": "' + b"x" * 5_000_000, times=None)
    tracemalloc.start()
    with pytest.raises(WeightsError):
        quickly()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # What the hub of the test itself holds is counted, too.
    assert peak < 13_000_000
    assert locate("bigvgan") is None


def test_an_answer_that_drips(hub, bigvgan, quickly, monkeypatch):
    monkeypatch.setattr(answers, "_LONGEST_ANSWER_S", -1.0)
    with pytest.raises(DownloadError, match="an answer took more than"):
        quickly()


def test_answers_nested_or_long_beyond_reason(hub, bigvgan):
    with Hub(Progress(), Retry(attempts=1), None) as connection:
        for body in [DEEP, b'{"a":' * 50_000, b"1" * 5000, b"1e400", b'{"error": ' + DEEP]:
            for status in [200, 404, 418]:
                ask(connection, hub, bigvgan, refused=True, status=status, body=body)


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1}, {"size": 10**400}, {"size": 1e400}, {"size": True}, {"size": "2"},
        {"size": None}, {"size": 1 << 60}, {"path": "x" * 5000}, {"path": 7}, {"path": None},
        {"path": ["config.json"]}, {"oid": 7}, {"oid": "g" * 40}, {"lfs": 7}, {"lfs": [1]},
        {"lfs": {"oid": "0" * 64, "size": 10**400}}, {"lfs": {"oid": "0" * 63, "size": 1}},
        {"lfs": {"oid": None, "size": 1}}, {"type": ["file"], "oid": None},
    ],
)  # fmt: skip
def test_rows_beyond_reason(change):
    try:
        assert file_of({**ROW, **change}, "http://hub") is None
    except DownloadError as error:
        assert "does not speak the hub's protocol" in error.message  # noqa: PT017 - or None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(row=_json | st.fixed_dictionaries({}, optional=dict.fromkeys([*ROW, "lfs"], _json)))
def test_any_row_is_a_file_nothing_or_a_named_error(row):
    row = {**ROW, **row} if isinstance(row, dict) else row
    try:
        found = file_of(row, "http://hub")
        assert found is None or found.size >= 0
    except DownloadError:
        pass


HEADERS = [
    {"Retry-After": "\xb2"},
    {"Retry-After": "9" * 5000},
    {"Retry-After": "-1"},
    {"Retry-After": "Wed, 99 Foo 99999 07:28:00 GMT"},
    {"RateLimit": '"api";r=0;t=' + "9" * 5000},
    {"RateLimit": '"api";r=-1;t=x'},
    {"Content-Encoding": "gzip"},
    {"Content-Length": "9" * 5000},
    {"Link": "<" * 9000},
    {"Link": '<>; rel="next"'},
    {"X-Error-Message": "x" * 60_000},
    {"X-Much": "x" * 1_000_000},
    {"Location": "http://[::1"},
    {"Location": "data:x"},
]


def test_headers_beyond_reason(hub, bigvgan):
    retry = Retry(attempts=2, first_s=0.01, longest_s=0.01, patience_s=0.05)
    with Hub(Progress(), retry, None) as connection:
        for headers in HEADERS:
            status = 302 if "Location" in headers else 429
            ask(connection, hub, bigvgan, refused=True, status=status, headers=headers)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    status=st.sampled_from([200, 206, 301, 302, 304, 400, 401, 403, 404, 416, 429, 451, 503]),
    body=st.binary(max_size=50) | _json.map(lambda value: json.dumps(value).encode()),
    header=st.sampled_from(["Link", "Location", "Retry-After", "Content-Range", "X-Error-Code"]),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
)
@example(302, b"", "Location", "")
def test_any_answer_ends_in_a_named_error(hub, bigvgan, status, body, header, value):
    with Hub(Progress(), Retry(attempts=1, patience_s=0.1), None) as connection:
        ask(connection, hub, bigvgan, status=status, body=body, headers={header: value})


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf" + b'{"a": 1}', b'{"a": 1}'])
def test_a_configuration_with_a_byte_order_mark_is_read(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text)
    assert load_json(tmp_path / "config.json") == {"a": 1}


@pytest.mark.parametrize("text", [DEEP, b'{"a":' * 50_000, b"\xff\xfe{", b"1" * 5000])
def test_a_configuration_that_is_none_is_named(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text)
    with pytest.raises(WeightsError, match="no JSON"):
        load_json(tmp_path / "config.json")


@pytest.mark.parametrize("seed", range(3))
def test_damaged_records_count_as_none(hub, bigvgan, quickly, folder, seed):
    found = quickly()
    chance = random.Random(seed)
    values = [10**400, -1, None, [], {}, "x", 1e308, True]
    record = next((folder / ".milonga").glob("main-*.json"))
    document = json.loads(record.read_text())
    for key in ["files", "commit", "revision", "repo", "at", "checked", "format"]:
        for other in (folder / ".milonga").glob("*.json"):
            other.write_text(json.dumps({**document, key: chance.choice(values)}))
        assert quickly(offline=True).folder == found.folder
    record.write_bytes(DEEP)
    assert quickly(offline=True).folder == found.folder
