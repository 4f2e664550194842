"""Gated repositories: what is missing is said exactly, and tokens stay secret."""

import logging
import traceback

import pytest

from milonga.errors import AccessError
from milonga.weights.hub.tokens import Token, find_token

REPO = "stabilityai/stable-audio-open-1.0"
SECRET = "hf_aSecretThatMustNotShow"


def files():
    texts = dict.fromkeys(
        (
            "model_index.json",
            "scheduler/scheduler_config.json",
            "transformer/config.json",
            "vae/config.json",
            "projection_model/config.json",
            "text_encoder/config.json",
            "tokenizer/tokenizer.json",
        ),
        b"{}",
    )
    weights = {
        f"{part}/diffusion_pytorch_model.safetensors": part.encode() * 1000
        for part in ("transformer", "vae", "projection_model")
    }
    return {**texts, **weights, "text_encoder/model.safetensors": b"t5" * 1000}


@pytest.fixture(params=[True, False], ids=["listing public", "listing gated"])
def gated(hub, request):
    repo = hub.add(REPO, files(), gated=True)
    repo.listing_is_public = request.param
    return repo


@pytest.fixture
def token(hub, monkeypatch):
    """Puts a token into HF_TOKEN, for an account as described, or unknown to the hub."""

    def put(known=True, **account):
        if known:
            hub.tokens[SECRET] = hub.account(**account)
        monkeypatch.setenv("HF_TOKEN", SECRET)

    return put


def refusal(quickly, log, caplog):
    """The error, after making sure that the token shows nowhere."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AccessError) as caught:
        quickly("stable-audio", progress=log)
    error = caught.value
    shown = "".join(traceback.format_exception(error, chain=True))
    for text in (str(error), repr(error), repr(vars(error)), shown, caplog.text, *log.messages):
        assert SECRET not in text
    return error


def steps(error):
    return [line.strip() for line in error.step.splitlines()]


def test_no_token(gated, quickly, log, caplog):
    error = refusal(quickly, log, caplog)
    assert error.reason == "no-token"
    assert "there is no access token on this machine" in error.message
    lines = steps(error)
    assert [line[:2] for line in lines] == ["1.", "2.", "3.", "4.", "5."]
    assert f"https://huggingface.co/{REPO}" in lines[1]
    assert lines[3] == "4. Run: hf auth login"


def test_a_token_without_access(gated, token, quickly, log, caplog):
    token()
    error = refusal(quickly, log, caplog)
    assert error.reason == "no-access"
    assert "has not accepted its licence" in error.message
    assert f"https://huggingface.co/{REPO}" in steps(error)[1]


def test_a_request_that_waits(gated, token, quickly, log, caplog):
    token(pending=True)
    error = refusal(quickly, log, caplog)
    assert error.reason == "pending"
    assert "has not been answered yet" in error.message


def test_a_request_that_was_rejected(gated, token, quickly, log, caplog):
    token(rejected=True)
    assert refusal(quickly, log, caplog).reason == "rejected"


def test_a_token_without_the_scope(gated, token, quickly, log, caplog):
    token(repos=frozenset({REPO}), gated_scope=False)
    error = refusal(quickly, log, caplog)
    assert error.reason == "scope"
    assert "public gated repositories" in steps(error)[0]
    assert "https://huggingface.co/settings/tokens" in steps(error)[0]


def test_a_wrong_or_expired_token_in_the_environment(gated, token, quickly, log, caplog):
    token(known=False)
    error = refusal(quickly, log, caplog)
    assert error.reason == "bad-token"
    assert "HF_TOKEN is wrong or has expired" in error.message
    assert "gated" in error.message
    assert "unset HF_TOKEN, which overrides a login" in steps(error)[1]


def test_a_wrong_or_expired_login(gated, hub, quickly, log, caplog):
    path = hub.home / "huggingface" / "token"
    path.parent.mkdir()
    path.write_text(SECRET + "\n")
    error = refusal(quickly, log, caplog)
    assert error.reason == "bad-token"
    assert str(path) in error.message
    assert steps(error)[1] == "2. Run: hf auth login --force"


def test_access_granted(gated, hub, token, quickly):
    token(repos=frozenset({REPO}))
    found = quickly("stable-audio")
    assert len(found.files) == len(files())
    # The signed addresses of the store carry their own permission.
    assert {seen.token for seen in hub.requests if seen.server == "store"} == {None}
    record = next((found.folder.parent.parent / ".milonga").glob("main-*.json"))
    assert SECRET not in record.read_text()


@pytest.mark.parametrize("value", [SECRET, "hf_with space", "hf_ünïcode"])
def test_a_wrong_token_does_not_keep_from_public_models(
    hub, bigvgan, monkeypatch, quickly, log, value
):
    monkeypatch.setenv("HF_TOKEN", value)
    assert quickly(progress=log).commit == bigvgan.commit
    assert [message for message in log.messages if "going on without it" in message] == [
        "The hub refuses the access token in the variable HF_TOKEN; going on without it."
    ]
    assert value not in "".join(log.messages)
    # Asked once with it, then never again.
    assert [seen.token for seen in hub.requests].count(SECRET) == (value == SECRET)


def test_a_repository_that_does_not_exist(hub, quickly):
    with pytest.raises(AccessError, match="no repository me/nothing, or it is private") as caught:
        quickly("me/nothing")
    assert caught.value.reason == "not-found"


def test_a_private_repository_and_a_token_that_may_not(hub, token, quickly):
    hub.add("me/private", {"a.safetensors": b"x" * 2000}, private=True)
    token()
    with pytest.raises(AccessError) as caught:
        quickly("me/private")
    assert caught.value.reason == "not-found"


def test_a_private_repository_and_a_wrong_token(hub, token, quickly):
    hub.add("me/private", {"a.safetensors": b"x" * 2000}, private=True)
    token(known=False)
    with pytest.raises(AccessError) as caught:
        quickly("me/private")
    assert caught.value.reason == "bad-token"


def test_a_private_repository_of_ones_own(hub, token, quickly):
    hub.add("me/private", {"a.safetensors": b"x" * 2000}, private=True)
    token(repos=frozenset({"me/private"}))
    assert quickly("me/private").files["a.safetensors"].size == 2000


def test_where_tokens_come_from(hub, monkeypatch, tmp_path):
    assert find_token() is None
    path = hub.home / "huggingface" / "token"
    path.parent.mkdir()
    path.write_text(" \n")
    assert find_token() is None
    path.write_text("hf_file\n")
    assert find_token().value == "hf_file"
    other = tmp_path / "other"
    other.write_text("hf_other")
    monkeypatch.setenv("HF_TOKEN_PATH", str(other))
    assert find_token().value == "hf_other"
    monkeypatch.setenv("HF_TOKEN", "hf_variable\n")
    assert find_token().value == "hf_variable"
    assert find_token().origin == "the variable HF_TOKEN"
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    assert find_token() is None


def test_a_token_shows_in_no_text():
    token = Token(SECRET, "somewhere")
    assert SECRET not in f"{token} {token!r} {[token]}"
    assert token.hidden_in(f"bad token {SECRET}!") == "bad token <token>!"
