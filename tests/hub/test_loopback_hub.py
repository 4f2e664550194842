"""The loopback hub is a fair stand-in: Hugging Face's own client works with it."""

import json

REPO = "owner/model"
FILES = {"config.json": b'{"a": 1}', "sub/weights.bin": bytes(range(256)) * 400, "empty.txt": b""}


def test_the_client_downloads_a_snapshot(hub, run_python):
    repo = hub.add(REPO, FILES)
    folder = run_python(
        f"from huggingface_hub import snapshot_download; print(snapshot_download({REPO!r}))"
    ).strip()
    assert folder == str(hub.cache / "models--owner--model" / "snapshots" / repo.commit)
    for path, contents in FILES.items():
        assert (hub.cache / "models--owner--model/snapshots" / repo.commit / path).read_bytes() == (
            contents
        )


def test_the_client_reads_metadata(hub, run_python):
    repo = hub.add(REPO, FILES)
    code = f"""
import json
from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
api = HfApi()
files = {{f.path: f.size for f in api.list_repo_tree({REPO!r}, recursive=True)
         if hasattr(f, 'blob_id')}}
large = get_hf_file_metadata(hf_hub_url({REPO!r}, 'sub/weights.bin'))
small = get_hf_file_metadata(hf_hub_url({REPO!r}, 'config.json'))
print(json.dumps([api.model_info({REPO!r}).sha, files, large.etag, large.size, small.etag]))
"""
    sha, files, large_etag, large_size, small_etag = json.loads(run_python(code))
    blobs = repo.files("main")
    assert sha == repo.commit
    assert files == {path: len(contents) for path, contents in FILES.items()}
    assert (large_etag, large_size) == (blobs["sub/weights.bin"].sha256, 102400)
    assert small_etag == blobs["config.json"].git_sha1


def test_the_client_understands_refusals(hub, run_python):
    hub.add(REPO, FILES, gated=True)
    hub.tokens["hf_ok"] = hub.account(repos=frozenset({REPO}))
    hub.tokens["hf_other"] = hub.account()
    code = f"""
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
for token in (False, 'hf_other', 'hf_wrong', 'hf_ok'):
    try:
        hf_hub_download({REPO!r}, 'config.json', token=token)
        print('ok')
    except GatedRepoError as error:
        print('gated', error.response.status_code)
    except HfHubHTTPError as error:
        print('refused', error.response.status_code)
"""
    assert run_python(code).splitlines() == ["gated 401", "gated 403", "refused 401", "ok"]


def test_the_store_never_sees_a_token(hub, run_python):
    hub.add(REPO, FILES)
    hub.tokens["hf_ok"] = hub.account()
    run_python(
        f"from huggingface_hub import snapshot_download; snapshot_download({REPO!r})",
        HF_TOKEN="hf_ok",
    )
    assert {seen.token for seen in hub.requests if seen.server == "store"} == {None}
    assert "hf_ok" in {seen.token for seen in hub.requests if seen.server == "hub"}
