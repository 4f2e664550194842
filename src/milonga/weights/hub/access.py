"""Refusals of the hub in plain words, with the way to get access."""

from __future__ import annotations

from dataclasses import dataclass

from milonga.errors import AccessError
from milonga.runtime.words import numbered
from milonga.weights.hub.tokens import Token
from milonga.weights.settings import HUB

_AGAIN = "Run the same command again."
_TOKENS = f"{HUB}/settings/tokens"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of 401, 403 or 404.

    Attributes:
        status: the HTTP status.
        gated: the hub said that the repository is gated.
        message: the hub's own words.
    """

    status: int
    gated: bool
    message: str


def access_error(
    repo: str, refusal: Refusal, token: Token | None, *, anonymous: Refusal | None = None
) -> AccessError:
    """Return the error for a refusal.

    Args:
        repo: the repository.
        refusal: the answer to the request with ``token``.
        token: the token that was sent; None without one.
        anonymous: the answer without a token, where that was tried after a refusal.
    """
    gated = refusal.gated or (anonymous is not None and anonymous.gated)
    words = refusal.message.lower()
    if token is None:
        return _no_token(repo) if gated else _not_found(repo)
    if refusal.status == 401:
        return _bad_token(repo, token, gated)
    if refusal.status == 403 and any(word in words for word in ("fine-grained", "scope")):
        return _scope(repo, token)
    if "awaiting a review" in words or "pending" in words:
        return _pending(repo)
    if "rejected" in words:
        return _rejected(repo)
    if gated:
        return _no_access(repo)
    if refusal.status == 403:
        return _scope(repo, token)
    return _not_found(repo, token)


def _no_token(repo: str) -> AccessError:
    return AccessError(
        f"{repo} is gated: its owner gives the files to people who accepted the licence, and "
        "there is no access token on this machine.",
        reason="no-token",
        step=numbered(
            [
                f"Make an account at {HUB}/join, or log in to yours.",
                f"Open {HUB}/{repo} and accept the licence there.",
                f"Make a token of the kind Read at {_TOKENS}.",
                "Run: hf auth login",
                _AGAIN,
            ]
        ),
    )


def _no_access(repo: str) -> AccessError:
    return AccessError(
        f"{repo} is gated, and the account of your access token has not accepted its licence.",
        reason="no-access",
        step=numbered(
            [
                f"Log in at {HUB} with the account that the token belongs to "
                "(hf auth whoami says which).",
                f"Open {HUB}/{repo} and accept the licence there.",
                _AGAIN,
            ]
        ),
    )


def _pending(repo: str) -> AccessError:
    return AccessError(
        f"{repo} is gated, and your request for access has not been answered yet.",
        reason="pending",
        step=numbered(
            [f"Wait until {HUB}/settings/gated-repos shows that it is accepted.", _AGAIN]
        ),
    )


def _rejected(repo: str) -> AccessError:
    return AccessError(
        f"{repo} is gated, and its owner has rejected your request for access.",
        reason="rejected",
        step=f"Ask its owner at {HUB}/{repo}, or use another model.",
    )


def _bad_token(repo: str, token: Token, gated: bool) -> AccessError:
    problem = f"the access token in {token.origin} is wrong or has expired"
    what = (
        f"{repo} is gated, and {problem}."
        if gated
        else f"{repo} can't be read without an access token (or does not exist), and {problem}."
    )
    steps = [f"Make a new token of the kind Read at {_TOKENS}."]
    if token.from_environment:
        variable = token.origin.removeprefix("the variable ")
        steps.append(
            f"Put it into {variable}; or unset {variable}, which overrides a login, and run: "
            "hf auth login"
        )
    else:
        steps.append("Run: hf auth login --force")
    return AccessError(what, reason="bad-token", step=numbered([*steps, _AGAIN]))


def _scope(repo: str, token: Token) -> AccessError:
    return AccessError(
        f"The access token in {token.origin} does not allow reading {repo}.",
        reason="scope",
        step=numbered(
            [
                f"Open {_TOKENS} and edit the token: allow reading the contents of all public "
                "gated repositories that you can access; or make a token of the kind Read.",
                "With a new token, run: hf auth login --force",
                _AGAIN,
            ]
        ),
    )


def _not_found(repo: str, token: Token | None = None) -> AccessError:
    steps = [f"Check the spelling; its page would be {HUB}/{repo}."]
    if token is None:
        steps.append("If it is private: run hf auth login, then the same command again.")
    else:
        steps.append("If it is private: use a token of an account that may read it.")
    return AccessError(
        f"There is no repository {repo}, or it is private.",
        reason="not-found",
        step=numbered(steps),
    )
