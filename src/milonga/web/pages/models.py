"""Models on this machine: downloads, gated access, verification; and what the doctor finds."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from milonga.errors import MilongaError
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.web.answers import Answer, document_of, page
from milonga.web.tasks import Tasks
from milonga.weights.catalogue import CATALOGUE
from milonga.weights.ensure import WeightsOptions, ensure
from milonga.weights.hub.tokens import find_token, given_token
from milonga.weights.inventory import list_weights, remove_weights
from milonga.weights.verification import verify_weights
from milonga.workflows.doctor import doctor as examine

_KEY = "model:"


def models(request: Request) -> Response:
    """The models, those on this machine first."""
    return page(request, "models.html.j2", title="Models", here="models")


def listed(request: Request) -> Response:
    """Answer with every model and what is under way."""
    return Answer(
        {
            "models": [_row(each.to_dict()) for each in list_weights()],
            "tasks": _tasks(request).all(_KEY),
            "token": find_token() is not None,
        }
    )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "size_text": size_text(row["size"]) if row["size"] else "",
        "on_disk_text": size_text(row["size_on_disk"]) if row["size_on_disk"] else "",
    }


def _tasks(request: Request) -> Tasks:
    tasks: Tasks = request.app.state.tasks
    return tasks


async def act(request: Request) -> Response:
    """Download, stop, verify, repair or remove a model.

    A token that is given is used for this download alone: it is neither stored nor logged.
    """
    wanted = await document_of(request)
    key, action = str(wanted.get("key", "")), request.path_params["action"]
    if key not in CATALOGUE and key not in {row.source.name for row in list_weights()}:
        raise MilongaError(f"There is no model {key!r}.", step="The list shows those there are.")
    tasks, name = _tasks(request), _KEY + key
    if action == "cancel":
        tasks.cancel(name)
        return Answer({})
    work = _work(action, key, str(wanted.get("token") or ""))
    task = await run_in_threadpool(tasks.begin, name, f"{action} {key}", work)
    return Answer(task.to_dict(), 202)


def _work(action: str, key: str, token: str) -> Any:
    def get(progress: Progress) -> Any:
        with given_token(token):
            return ensure(key, WeightsOptions(), progress=progress).to_dict()

    def verify(progress: Progress) -> Any:
        return verify_weights(key, progress=progress).to_dict()

    def repair(progress: Progress) -> Any:
        with given_token(token):
            return verify_weights(key, repair=True, progress=progress).to_dict()

    def remove(progress: Progress) -> Any:
        return {"freed": size_text(remove_weights(key, progress=progress))}

    known = {"get": get, "verify": verify, "repair": repair, "remove": remove}
    if action not in known:
        raise HTTPException(404)
    return known[action]


def doctor(request: Request) -> Response:
    """What would stop the work, and how to fix it."""
    return page(request, "doctor.html.j2", title="Doctor", here="doctor")


async def findings(request: Request) -> Response:
    """Answer with what the doctor finds; without the network unless asked for."""
    network = request.query_params.get("network") == "1"
    found = await run_in_threadpool(examine, offline=not network)
    return Answer([each.to_dict() for each in found])


ROUTES = [
    Route("/models", models),
    Route("/doctor", doctor),
    Route("/api/models", listed),
    Route("/api/models/{action}", act, methods=["POST"]),
    Route("/api/doctor", findings),
]
