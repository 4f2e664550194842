"""The public names, pinned; and that importing them costs nothing heavy."""

import milonga.weights


def test_names():
    assert sorted(milonga.weights.__all__) == [
        "CATALOGUE",
        "InventoryRow",
        "KnownModel",
        "Licence",
        "LocalWeights",
        "Verification",
        "WeightsOptions",
        "ensure",
        "ensure_bigvgan_weights",
        "ensure_weights",
        "known_model",
        "list_weights",
        "load_array",
        "load_checkpoint",
        "load_json",
        "locate",
        "remove_weights",
        "verify_weights",
    ]
    for name in milonga.weights.__all__:
        assert getattr(milonga.weights, name) is not None


def test_importing_and_the_cached_path_load_nothing_heavy(hub, bigvgan, run_python):
    milonga.weights.ensure_weights("bigvgan")
    loaded = run_python(
        "import sys\n"
        "from milonga.weights import ensure_weights\n"
        "ensure_weights('bigvgan')\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    ).split()
    heavy = {"torch", "numpy", "pydantic", "huggingface_hub", "httpx2", "filelock", "rich", "tqdm"}
    assert not set(loaded) & heavy
