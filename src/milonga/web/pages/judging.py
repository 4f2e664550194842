"""Comparing recordings, scoring their words, and blind tests, made and read."""

from __future__ import annotations

import io
import re
import secrets
import zipfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from milonga.analysis.listening.answers import KEY, read_key
from milonga.analysis.listening.page import FOR_LISTENERS, PAGE
from milonga.errors import MilongaError, ReceiptError
from milonga.jobs.kinds import CompareWork, ScoreWork
from milonga.jobs.queue import Queue
from milonga.runtime.places import data_folder
from milonga.runtime.record import first_error
from milonga.songs.output.tagged import receipt_in
from milonga.web.answers import Answer, document_of, inside_script, page, shelf_of
from milonga.web.files import inside, served, served_test
from milonga.web.pages.jobs import begin
from milonga.web.pages.listen import shown_receipt
from milonga.web.pages.uploads import batch_folder
from milonga.weights.catalogue import CATALOGUE
from milonga.weights.ensure import locate
from milonga.workflows.judging.listening import make_listening_test, read_listening_test
from milonga.workflows.takes import compare_takes

_ID = re.compile(r"[0-9a-f]{16}")


def compare(request: Request) -> Response:
    """Recordings dropped, compared, scored, put into a blind test."""
    recognisers = [
        {"key": key, "title": model.title, "here": locate(key) is not None}
        for key, model in CATALOGUE.items()
        if key.startswith("whisper")
    ]
    songs = [{"id": place.id} for place in shelf_of(request).songs() if place.rendered]
    return page(
        request, "compare.html.j2", title="Compare", here="compare", recognisers=recognisers,
        songs=songs, data=inside_script({"tests": _tests()}),
    )  # fmt: skip


def _results() -> Path:
    return data_folder() / "web" / "results"


def _test_folder(name: str) -> Path:
    folder = data_folder() / "web" / "tests" / name
    if not _ID.fullmatch(name) or not folder.is_dir():
        raise HTTPException(404)
    return folder


def _dropped(request: Request, wanted: dict[str, Any], *fields: str) -> list[Path]:
    """The files of a drop that a request names."""
    folder = batch_folder(shelf_of(request).uploads, wanted.get("batch"))
    names: list[Any] = []
    for field in fields:
        value = wanted.get(field)
        names += value if isinstance(value, list) else [value]
    return [inside(folder, str(name)) for name in names if name]


async def begin_comparison(request: Request) -> Response:
    """Queue a comparison of recordings with one of them."""
    wanted, shelf = await document_of(request), shelf_of(request)
    baseline, candidates = (_dropped(request, wanted, f) for f in ("baseline", "candidates"))
    if not (baseline and candidates):
        raise MilongaError("A comparison needs a baseline and a recording to hold against it.")
    report = _results() / secrets.token_hex(8)
    work = CompareWork(baseline=baseline[0], candidates=tuple(candidates), report=report)
    return Answer(await run_in_threadpool(lambda: begin(work, shelf)), 202)


async def begin_score(request: Request) -> Response:
    """Queue the scoring of words."""
    wanted, shelf = await document_of(request), shelf_of(request)
    recordings = _dropped(request, wanted, "recordings")
    if not recordings or not str(wanted.get("lyrics", "")).strip():
        raise MilongaError("Words are scored with recordings and the lyrics they should hold.")
    try:
        work = ScoreWork(
            recordings=tuple(recordings),
            lyrics=str(wanted["lyrics"]),
            language=wanted.get("language") or None,
            model=wanted.get("model") or "whisper-small",
        )
    except ValidationError as error:
        field, message = first_error(error)
        raise MilongaError(f"{field}: {message}") from error
    if work.model not in CATALOGUE:
        raise MilongaError(f"There is no recogniser {work.model!r}.")
    return Answer(await run_in_threadpool(lambda: begin(work, shelf)), 202)


def result(request: Request) -> Response:
    """Answer with what a job of comparing or scoring found."""
    job = Queue().job(request.path_params["number"])
    if job.kind not in ("compare", "score") or not job.result.is_file():
        raise HTTPException(404)
    found = job.read_result()
    address = None
    if job.kind == "compare":
        address = f"/files-of-results/{Path(job.arguments['report']).name}/index.html"
    return Answer({"kind": job.kind, "report": address, "result": found})


async def receipt(request: Request) -> Response:
    """Answer with what the tags of a dropped recording say of how it was made, and in what that
    differs from another one."""
    wanted = await document_of(request)
    named = _dropped(request, wanted, "recording")
    if len(named) != 1:
        raise HTTPException(404)
    recording = named[0]
    found = await run_in_threadpool(lambda: receipt_in(recording))
    answer = shown_receipt(found)
    for other in _dropped(request, wanted, "other"):
        try:
            compared = compare_takes(other.parent, recording, other)
        except ReceiptError:
            continue  # most recordings have none
        answer["rows"] = [difference.row for difference in compared.differences]
        answer["same_samples"] = compared.same_samples
    return Answer(answer)


def report(request: Request) -> Response:
    """Answer with a file of a comparison's report."""
    return served(_results(), f"{request.path_params['id']}/{request.path_params['path']}")


async def make_test(request: Request) -> Response:
    """Make a blind test of dropped recordings, or of a song's takes."""
    wanted = await document_of(request)
    if wanted.get("song"):
        places: Any = shelf_of(request).get(str(wanted["song"])).out
    else:
        places = _dropped(request, wanted, "recordings")
    name = secrets.token_hex(8)
    out = data_folder() / "web" / "tests" / name
    kind = wanted.get("kind", "ab")
    if kind not in ("ab", "abx", "mushra"):
        raise MilongaError("A blind test is ab, abx or mushra.")
    await run_in_threadpool(
        lambda: make_listening_test(
            places, out, kind=kind, title=str(wanted.get("title") or "Blind test")[:200],
            seconds=float(wanted["seconds"]) if wanted.get("seconds") else None,
            seed=secrets.randbelow(2**31),
        )
    )  # fmt: skip
    return Answer({"id": name, "tests": _tests()}, 201)


def _tests() -> list[dict[str, Any]]:
    """List the tests that were made, the newest first."""
    root = data_folder() / "web" / "tests"
    if not root.is_dir():
        return []
    found = []
    for folder in sorted(root.iterdir(), key=lambda path: -path.stat().st_mtime):
        try:
            key = read_key(folder / KEY)
        except MilongaError:
            continue
        found.append(
            {"id": folder.name, "title": key.title or key.test, "kind": key.kind,
             "questions": len(key.trials), "address": f"/listening/{folder.name}/{PAGE}"}
        )  # fmt: skip
    return found


def test_page(request: Request) -> Response:
    """Answer with a file of a test, as listeners get it."""
    folder = _test_folder(request.path_params["id"])
    return served_test(folder / FOR_LISTENERS, request.path_params["path"])


def test_archive(request: Request) -> Response:
    """Answer with a test to give away: everything but its key."""
    folder = _test_folder(request.path_params["id"]) / FOR_LISTENERS
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    headers = {"content-disposition": 'attachment; filename="listening-test.zip"'}
    return Response(buffer.getvalue(), media_type="application/zip", headers=headers)


async def read_test(request: Request) -> Response:
    """Read answers that listeners saved."""
    wanted = await document_of(request)
    folder = _test_folder(request.path_params["id"])
    answers = _dropped(request, wanted, "answers")
    found = await run_in_threadpool(lambda: read_listening_test(answers, key=folder))
    return Answer(found.to_dict())


ROUTES = [
    Route("/compare", compare),
    Route("/api/compare", begin_comparison, methods=["POST"]),
    Route("/api/score", begin_score, methods=["POST"]),
    Route("/api/receipts", receipt, methods=["POST"]),
    Route("/api/jobs/{number:int}/result", result),
    Route("/files-of-results/{id}/{path:path}", report),
    Route("/api/blind", make_test, methods=["POST"]),
    Route("/api/blind/{id}/answers", read_test, methods=["POST"]),
    Route("/listening/{id}.zip", test_archive),
    Route("/listening/{id}/{path:path}", test_page),
]
