"""The log: failures with their tracebacks, and no secrets."""

import logging

import pytest

from milonga.errors import AudioError, OutputError
from milonga.runtime import logs


@pytest.fixture(autouse=True)
def ended(monkeypatch):
    monkeypatch.delenv("MILONGA_LOG", raising=False)
    yield
    logs.stop()
    logs._hidden.clear()


def fail(error, what="", **options):
    try:
        raise error
    except (RuntimeError, AudioError) as caught:
        logs.log_failure(caught, what, **options)


def test_the_logger_gets_the_traceback(caplog):
    fail(RuntimeError("odd"), "take 07/guide-s0")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("milonga", logging.ERROR)
    assert record.getMessage() == "take 07/guide-s0: RuntimeError: odd"
    assert "in fail" in caplog.text


def test_without_a_log_nothing_is_shown(capfd, run_python):
    fail(RuntimeError("odd"))
    assert capfd.readouterr() == ("", "")


def test_a_file_keeps_every_failure(tmp_path):
    path = tmp_path / "deep" / "milonga.log"
    logs.setup(path)
    fail(RuntimeError("odd"))
    logs.setup(str(path))
    fail(AudioError("It is silent.", where="a.wav"))
    text = path.read_text()
    assert text.count("Traceback (most recent call last)") == 2
    assert "RuntimeError: odd" in text
    assert "AudioError: a.wav: It is silent." in text
    assert logs.log_file() == path
    assert logs.details_hint() == f"The details are in {path}."


def test_the_variable_names_a_file_for_programs_too(tmp_path, run_python):
    code = """
from milonga.runtime.logs import details_hint, log_failure
try:
    1 / 0
except ZeroDivisionError as error:
    log_failure(error, "dividing")
print(details_hint())
"""
    path = tmp_path / "milonga.log"
    assert str(path) in run_python(code, MILONGA_LOG=str(path))
    assert "dividing: ZeroDivisionError" in path.read_text()
    assert "MILONGA_LOG=FILE" in run_python(code, MILONGA_LOG=str(tmp_path))
    logs.setup()
    assert "--log FILE" in logs.details_hint()


def test_a_file_that_can_not_be_written(tmp_path):
    with pytest.raises(OutputError) as caught:
        logs.setup(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_debug_shows_a_failure_once(capfd):
    logs.setup(tracebacks=True)
    fail(RuntimeError("within a render"))
    fail(RuntimeError("raised further"), raised=True)
    logs.LOG.error("a word")
    err = capfd.readouterr().err
    assert err.count("Traceback") == err.count("RuntimeError: within a render\nTraceback") == 1
    assert "raised further" not in err
    assert "a word" not in err
    logs.stop()
    fail(RuntimeError("after"))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("the token hf_AbCdEf0123456789abcdef", "hf_AbCdEf0123456789abcdef"),
        ("authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("proxy http://me:pass@word@proxy:3128/", "pass@word"),
        ("it is odd-value-of-mine", "odd-value-of-mine"),
        ("it is a-login-stored", "a-login-stored"),
    ],
)
def test_secrets_stay_out(tmp_path, monkeypatch, text, secret):
    monkeypatch.setenv("HF_TOKEN", "odd-value-of-mine")
    logs.hide("a-login-stored")
    logs.setup(tmp_path / "log")
    fail(RuntimeError(text), f"asking with {text}")
    logs.LOG.info("started with %s", text)
    written = (tmp_path / "log").read_text()
    assert text.split()[0] in written
    assert secret not in written


def test_words_that_are_no_secrets_stay(monkeypatch):
    logs.hide("")
    monkeypatch.setenv("HF_TOKEN_PATH", "/home/me/.cache/token")
    text = "/home/me/.cache/token is empty; takes/07/guide-s0.wav, http://127.0.0.1:80/a basic beat"
    assert logs.without_secrets(text) == text


def test_the_log_steers_no_terminal_that_shows_it(tmp_path):
    logs.setup(tmp_path / "x.log")
    try:
        logs.log_failure(ValueError("a name of a file: \x1b]52;c;ZXZpbA==\x07 \x1b[2J"))
    finally:
        logs.stop()
    text = (tmp_path / "x.log").read_text()
    assert "\\x1b[2J" in text
    assert not set("\x1b\x07") & set(text)
