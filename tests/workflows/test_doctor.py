"""What ``doctor`` finds: each check where it finds something."""

import os
from importlib import import_module

import pytest

from milonga._installed import install_command
from milonga.compute import processor
from milonga.errors import ConfigError
from milonga.generators.neural.calibration import keep_figure
from milonga.generators.neural.precision import speed_name
from milonga.runtime.health import HealthContext
from milonga.weights import ensure_weights
from milonga.workflows.doctor import CHECKS, examine

BIGVGAN = "nvidia/bigvgan_v2_44khz_128band_512x"
REPO = "stabilityai/stable-audio-open-1.0"


def check(name, *keys, network=False):
    """The findings of one check, in this process."""
    module, _, function = CHECKS[name].partition(":")
    return list(getattr(import_module(module), function)(HealthContext(keys, network)))


def test_a_check_that_fails_itself_is_a_problem(hub, monkeypatch):
    (hub.home / "milonga").mkdir()
    (hub.home / "milonga" / "config.toml").write_text("[nonsense]")
    problems = [finding for finding in examine(HealthContext()) if finding.status == "problem"]
    assert {finding.check for finding in problems} >= {"configuration", "cache", "models"}
    assert all("config.toml" in finding.message for finding in problems)


def test_models(hub):
    (finding,) = check("models")
    assert (finding.status, finding.message) == ("ok", "here: none yet")
    (finding,) = check("models", "bigvgan")
    assert (finding.status, finding.step) == ("problem", "Run: milonga weights get bigvgan")
    (finding,) = check("models", "bigvgan", network=True)
    assert finding.status == "warning"
    hub.add(BIGVGAN, {"config.json": b"{}", "bigvgan_generator.pt": os.urandom(3000)})
    folder = ensure_weights("bigvgan")
    (finding,) = check("models", "bigvgan")
    assert (finding.status, finding.message) == ("ok", f"bigvgan: {folder}")
    (folder / "config.json").unlink()
    (finding,) = check("models", "bigvgan")
    assert finding.status == "problem"
    assert "verify bigvgan --repair" in finding.step


@pytest.fixture
def gated(hub):
    return hub.add(REPO, {"model_index.json": b"{}", "x.safetensors": b"x" * 2000}, gated=True)


@pytest.mark.parametrize(
    ("account", "status", "words"),
    [
        (None, "problem", "there is no access token on this machine"),
        ({}, "problem", "has not accepted its licence"),
        ({"gated_scope": False}, "problem", "does not allow reading"),
        ({"repos": frozenset({REPO})}, "ok", "the hub grants access"),
    ],
)
def test_access_to_a_gated_model(hub, gated, monkeypatch, account, status, words):
    if account is not None:
        hub.tokens["hf_secret"] = hub.account(**account)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
    findings = check("access", "stable-audio", network=True)
    assert findings[-1].status == status
    assert words in findings[-1].message
    assert "hf_secret" not in str(findings)
    # Nothing was downloaded for that.
    assert hub.bytes_served == 0


def test_a_wrong_token(hub, gated, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    finding = check("access", "stable-audio", network=True)[-1]
    assert finding.status == "problem"
    assert "wrong or has expired" in finding.message


def test_a_hub_that_does_not_answer(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    finding = check("access", "stable-audio", network=True)[-1]
    assert finding.status == "warning"
    assert "can't be reached" in finding.message


def test_access_is_not_asked_offline(hub, gated):
    assert check("access", "stable-audio")[-1].message.startswith("not asked of the hub")
    assert hub.requests == []


def test_a_cache_that_can_not_be_written(hub, monkeypatch, tmp_path):
    (finding,) = check("cache")
    assert finding.status == "ok"
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file"))
    (finding,) = check("cache")
    assert finding.status == "problem"
    assert str(tmp_path / "file") in finding.message
    assert "--cache-dir FOLDER" in finding.step
    (hub.home / "milonga").mkdir()
    (hub.home / "milonga" / "config.toml").write_text(
        f'[weights]\nfallback_cache_dir = "{tmp_path / "other"}"\n'
    )
    (finding,) = check("cache")
    assert finding.status == "warning"


@pytest.mark.parametrize(
    ("text", "status"), [("[weights.sources.nonsense]\nrepo = 'a/b'", "warning"), ("", "ok")]
)
def test_the_configuration(hub, text, status):
    (hub.home / "milonga").mkdir()
    (hub.home / "milonga" / "config.toml").write_text(text)
    assert check("configuration")[0].status == status
    (hub.home / "milonga" / "config.toml").write_text("[weights")
    with pytest.raises(ConfigError):
        check("configuration")


def test_a_library_of_another_version(hub, monkeypatch, tmp_path):
    """An old torch, as far as its metadata tells."""
    old = tmp_path / "site" / "torch-2.0.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.0.0\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    wrong = [f for f in check("libraries", "bigvgan") if "torch 2.0.0 is not" in f.message]
    (finding,) = [f for f in wrong if "extra sounds" in f.message]
    assert finding.status == "problem"
    assert finding.step == f"Run: {install_command('sounds', upgrade=True)}"


def test_libraries_that_a_model_does_not_need_are_no_problem(hub):
    problems = [f for f in check("libraries", "bigvgan") if f.status == "problem"]
    assert not any("models" in finding.message for finding in problems)


def test_a_data_folder_that_can_not_be_written(hub, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "file" / "x"))
    (finding,) = check("data folder")
    assert finding.status == "problem"


def test_memory_and_disk(hub):
    (finding,) = check("memory")
    assert finding.message.split(" ")[1].rstrip(",") in ("GB", "MB")
    (finding,) = check("disk")
    assert "free for models" in finding.message


def test_precisions_are_named_and_what_the_processor_lacks_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path))
    (first, *_) = check("precision")
    assert first.status == "ok"
    assert "float32" in first.message
    keep_figure(speed_name("float32"), 4.95e11)
    with processor.without("avx", "amx", "bf16", "dotprod", "i8mm"):
        quick, slow, tokens = check("precision")
    assert quick.message == (
        "models on the CPU compute fast in float32 (495 billion operations a second)"
    )
    assert "not in bfloat16: the processor has no bfloat16 products" in slow.message
    assert "not in int8" in slow.message
    assert "float32 instead" in slow.step
    assert "MusicGen and Bark make tokens with compiled steps, in the fewest bits" in tokens.message
    with processor.without("fma"):
        *_, tokens = check("precision")
    if processor.machine() == "x86_64":
        assert "with plain torch in float32: the processor has no fused" in tokens.message
