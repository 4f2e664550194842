"""The access token: found, used, and never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from milonga.runtime import logs
from milonga.runtime.places import expanded
from milonga.weights.settings import hf_home, is_set

_SENDABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its origin; its value stays out of every text made of this object.

    Attributes:
        origin: for people, such as ``the variable HF_TOKEN``.
        from_environment: a variable holds it, which overrides ``hf auth login``.
    """

    value: str = field(repr=False)
    origin: str
    from_environment: bool = False

    def __post_init__(self) -> None:
        logs.hide(self.value)

    @property
    def sendable(self) -> bool:
        """Fit to be sent in a header (a pasted line break isn't)."""
        return _SENDABLE.fullmatch(self.value) is not None

    def hidden_in(self, text: str) -> str:
        """Return ``text`` without the token, for a server's answer."""
        return text.replace(self.value, "<token>") if self.value else text


_GIVEN: ContextVar[Token | None] = ContextVar("given", default=None)


@contextmanager
def given_token(value: str) -> Iterator[None]:
    """Use a token in the block, in memory alone; an empty one changes nothing."""
    value = value.strip()
    held = _GIVEN.set(Token(value, "what was typed in") if value else None)
    try:
        yield
    finally:
        _GIVEN.reset(held)


def find_token(*, renew: bool = False) -> Token | None:
    """Find the token that the Hugging Face tools would use; None without one, or if
    ``HF_HUB_DISABLE_IMPLICIT_TOKEN`` keeps it from being sent.

    Args:
        renew: let the hub's client renew a login that is about to expire, over the network.
    """
    if (given := _GIVEN.get()) is not None:
        return given
    if is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN"):
        return None
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if value := os.environ.get(name, "").strip():
            return Token(value, f"the variable {name}", from_environment=True)
    path = token_file()
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not value:
        return None
    return Token(_renewed(path, value) if renew else value, f"the login stored in {path}")


def token_file() -> Path:
    """Return the file in which ``hf auth login`` keeps the token."""
    if named := os.environ.get("HF_TOKEN_PATH"):
        return expanded(os.path.expandvars(named))
    return hf_home() / "token"


def _renewed(path: Path, value: str) -> str:
    from huggingface_hub import constants, get_token

    # The client knows only the file that the environment named when it was imported.
    if Path(constants.HF_TOKEN_PATH) != path or os.environ.get("HF_OIDC_RESOURCE"):
        return value
    return get_token() or value
