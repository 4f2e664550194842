"""Sound models: trained from recordings that are dropped, played live, kept as presets."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from milonga.errors import MilongaError, MissingExtraError, needs_extra
from milonga.jobs.kinds import TrainWork
from milonga.runtime.places import data_folder
from milonga.runtime.record import first_error
from milonga.sounds.corpus.inspection import Corpus
from milonga.sounds.installed import require_libraries
from milonga.sounds.library.history import History
from milonga.sounds.library.library import Library
from milonga.sounds.library.presets import Presets
from milonga.sounds.model.play_settings import PlaySettings
from milonga.sounds.training.settings import TrainSettings
from milonga.web.answers import Answer, document_of, inside_script, page, shelf_of
from milonga.web.files import served
from milonga.web.pages.jobs import begin
from milonga.web.pages.uploads import batch_folder, safe_name
from milonga.workflows.playing import blend_sounds, file_stem, play_sound
from milonga.workflows.presets import save_preset

if TYPE_CHECKING:
    from milonga.audio import Clip
    from milonga.sounds.instrument.blend import Blend
    from milonga.sounds.instrument.instrument import Instrument

_OPEN: OrderedDict[tuple[Any, ...], Instrument | Blend] = OrderedDict()
_MOST_OPEN = 3
_PLAYING = Lock()
"""One sound at a time: a slider that moves on makes the sound before it worthless."""
_LONGEST_LIVE_S = 30.0
_SETTINGS = ("seconds", "seed", "controls", "axes", "pace", "tempo", "vocoder", "like", "to")
_FORMATS = ("wav", "flac", "ogg", "mp3")


def sounds(request: Request) -> Response:
    """The sound models, and a new training."""
    missing = None
    try:
        require_libraries("Training and playing a sound model")
    except MissingExtraError as error:
        missing = error
    return page(request, "sounds.html.j2", title="Sounds", here="sounds", missing=missing)


def listed(request: Request) -> Response:
    """Answer with the models, and what can be heard of those in training."""
    return Answer([_described(saved) for saved in Library().models()])


def _described(saved: Any) -> dict[str, Any]:
    previews = saved.files.previews
    heard = sorted(p.name for p in previews.glob("step-*.wav")) if previews.is_dir() else []
    return {**saved.to_dict(), "previews": heard}


def preview(request: Request) -> Response:
    """Answer with a preview of a training."""
    saved = next((s for s in Library().models() if s.name == request.path_params["name"]), None)
    if saved is None:
        raise HTTPException(404)
    return served(saved.files.previews, request.path_params["file"])


def instrument(request: Request) -> Response:
    """A model with its sliders."""
    saved = Library().model(request.path_params["name"])
    header = saved.readable
    weak = header.weak_controls
    controls = [
        {"name": name, "term": report.term, "enabled": report.enabled, "reason": report.reason,
         "weak": weak.get(name, "")}
        for name, report in header.controls.items()
    ]  # fmt: skip
    data = {
        "name": saved.name,
        "controls": controls,
        "recordings": [file.name for file in header.corpus.files][:500],
        "others": [other.name for other in Library().models()
                   if other.name != saved.name and other.header is not None],
        "formats": _FORMATS,
    }  # fmt: skip
    return page(
        request, "instrument.html.j2", title=saved.name, here="sounds", model=saved,
        data=inside_script(data), about=header.corpus_text,
    )  # fmt: skip


def settings_of(model: str, wanted: dict[str, Any]) -> PlaySettings:
    """Read settings of the sliders; recordings only by the names that the model knows.

    Raises:
        SoundError: they can't be played.
    """
    given = {name: wanted[name] for name in _SETTINGS if wanted.get(name) not in (None, "")}
    learnt = {file.name for file in Library().model(model).readable.corpus.files}
    for name in ("like", "to"):
        if name in given and given[name] not in learnt:
            raise MilongaError(f"The model knows no recording {given[name]!r}.")
    return PlaySettings(**given)


async def play(request: Request) -> Response:
    """Answer with a short sound of the settings, at once; nothing is kept."""
    name, wanted = request.path_params["name"], await document_of(request)
    clip = await run_in_threadpool(_played, name, wanted)
    return _wav(clip)


def _played(name: str, wanted: dict[str, Any]) -> Clip:
    settings, shares = settings_of(name, wanted), shares_of(wanted)
    seconds = min(settings.seconds or 2.0, _LONGEST_LIVE_S)
    settings = settings.model_copy(update={"seconds": seconds})
    with needs_extra("Playing a sound model", "sounds"), _PLAYING:
        found: Clip = _opened(shares or {name: 1.0}, settings.vocoder).play(settings)
        return found


def shares_of(wanted: dict[str, Any]) -> dict[str, float]:
    """Read the models of a blend with their weights; empty where one model plays alone.

    Raises:
        MilongaError: they are no weights.
    """
    given = wanted.get("blend") or {}
    try:
        shares = {str(model): float(share) for model, share in given.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise MilongaError("A blend is models with weights.") from error
    shares = {model: share for model, share in shares.items() if share > 0}
    if not all(share < 1e9 for share in shares.values()):
        raise MilongaError("A weight of a blend is a number from 0.")
    return shares


def _opened(shares: dict[str, float], vocoder: str) -> Instrument | Blend:
    """Open a model, or several as a blend; those heard last stay open, whatever their weights."""
    from milonga.sounds.instrument.blend import Blend, parse_shares
    from milonga.sounds.instrument.instrument import Instrument

    library = Library()
    paths = [library.model_path(library.model(name).name) for name in shares]
    key = (vocoder, *shares, *(path.stat().st_mtime_ns for path in paths))
    if key not in _OPEN:
        if len(shares) > 1:
            parts = parse_shares([f"{name}:1" for name in shares])
            _OPEN[key] = Blend.open(parts, vocoder=vocoder, library=library)
        else:
            _OPEN[key] = Instrument.open(next(iter(shares)), vocoder=vocoder, library=library)
        while len(_OPEN) > _MOST_OPEN:
            _OPEN.popitem(last=False)
    _OPEN.move_to_end(key)
    opened = _OPEN[key]
    return opened.weighted(list(shares.values())) if isinstance(opened, Blend) else opened


def _wav(clip: Clip) -> Response:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, clip.samples.T, clip.sample_rate, format="WAV", subtype="PCM_16")
    return Response(buffer.getvalue(), media_type="audio/wav")


async def keep(request: Request) -> Response:
    """Play in full, write a file with its receipt, and keep it in the history."""
    name, wanted = request.path_params["name"], await document_of(request)
    return Answer(await run_in_threadpool(_kept, name, wanted), 201)


def _kept(name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    kind = str(wanted.get("format", "wav"))
    if kind not in _FORMATS:
        raise MilongaError(f"A sound is written as {', '.join(_FORMATS)}.")
    settings, folder = settings_of(name, wanted), _written()
    shares = shares_of(wanted) or {name: 1.0}
    path = _free(folder, "-".join(shares), settings.seed, kind)
    with needs_extra("Playing a sound model", "sounds"), _PLAYING:
        if len(shares) > 1:
            played = blend_sounds(shares, path, settings=settings)
        else:
            played = play_sound(next(iter(shares)), path, settings=settings)
    return {**played.to_dict(), "file": played.path.name}


def _written() -> Path:
    folder = data_folder() / "web" / "sounds"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _free(folder: Path, name: str, seed: int, kind: str) -> Path:
    stem, number = f"{file_stem(name)}-s{seed}", 1
    while True:
        path = folder / (f"{stem}.{kind}" if number == 1 else f"{stem}-{number}.{kind}")
        if not path.exists():
            return path
        number += 1


def written(request: Request) -> Response:
    """Answer with a sound that was written."""
    return served(_written(), request.path_params["file"])


def presets(request: Request) -> Response:
    """Answer with the presets of a model."""
    found = Presets(request.path_params["name"]).all()
    return Answer({name: preset.to_dict() for name, preset in found.items()})


async def change_preset(request: Request) -> Response:
    """Save the settings as a preset, or delete one."""
    name, wanted = request.path_params["name"], await document_of(request)
    title = str(wanted.get("preset", ""))
    if request.method == "DELETE":
        await run_in_threadpool(Presets(name).delete, title)
    else:
        settings = settings_of(name, wanted)
        with needs_extra("Presets", "sounds"):
            shares = shares_of(wanted)
            await run_in_threadpool(
                lambda: save_preset(name, title, settings, blend=shares, force=True)
            )
    return presets(request)


def history(request: Request) -> Response:
    """Answer with what the model played, the latest first."""
    items = History().entries(request.path_params["name"])
    found = [
        {"number": item.number, "created": item.entry.created, "kind": item.entry.kind,
         "models": {one.model: one.weight for one in item.entry.models},
         "settings": item.entry.settings.model_dump(mode="json", exclude_unset=True)}
        for item in items
    ]  # fmt: skip
    return Answer(sorted(found, key=lambda each: -int(str(each["number"])))[:200])


def replayed(request: Request) -> Response:
    """Answer with a sound of the history, as it was kept."""
    return _wav(History().clip(request.path_params["number"]))


async def inspect(request: Request) -> Response:
    """Answer with what is found in recordings, before any training."""
    wanted = await document_of(request)
    folder = _folder(request, wanted)
    corpus = await run_in_threadpool(Corpus.inspect, folder)
    return Answer(
        {
            "files": len(corpus.files),
            "seconds": corpus.seconds,
            "skipped": [{"name": s.name, "reason": s.reason} for s in corpus.skipped],
            "alike": [list(group) for group in corpus.alike],
            "folder": str(folder),
        }
    )


def _folder(request: Request, wanted: dict[str, Any]) -> Path:
    """The folder of a drop, or one of this machine that was typed in."""
    if wanted.get("batch"):
        return batch_folder(shelf_of(request).uploads, wanted["batch"])
    folder = Path(str(wanted.get("path", "")).strip()).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        raise MilongaError("There is no such folder.", where=folder, step="Give its whole path.")
    return folder


async def train(request: Request) -> Response:
    """Queue a training; its previews can be heard while it trains."""
    wanted = await document_of(request)
    folder, shelf = _folder(request, wanted), shelf_of(request)
    try:
        minutes = float(wanted.get("minutes") or 10)
        # Several previews of a short training, too.
        settings = TrainSettings(
            minutes=minutes, size=wanted.get("size", "normal"), preview_s=min(30.0, 12 * minutes)
        )
        work = TrainWork(
            name=safe_name(str(wanted.get("name", ""))), recordings=(folder,), settings=settings
        )
    except ValidationError as error:
        field, message = first_error(error)
        raise MilongaError(f"{field}: {message}") from error
    except ValueError as error:
        raise MilongaError("Minutes are a number.") from error
    with needs_extra("Training", "sounds"):
        import torch  # noqa: F401 - said here rather than by a job that fails
    return Answer(await run_in_threadpool(lambda: begin(work, shelf)), 202)


def export(request: Request) -> Response:
    """Answer with the model's file, to keep or to give away."""
    saved = Library().model(request.path_params["name"])
    path = Library().model_path(saved.name)
    return FileResponse(path, media_type="application/octet-stream",
                        filename=f"{file_stem(saved.name)}.safetensors")  # fmt: skip


_ONE = "/api/sounds/{name}"
ROUTES = [
    Route("/sounds", sounds),
    Route("/sounds/{name}", instrument),
    Route("/sounds/{name}/model", export),
    Route("/api/sounds", listed),
    Route("/api/sounds-inspect", inspect, methods=["POST"]),
    Route("/api/sounds-train", train, methods=["POST"]),
    Route("/api/sounds-history/{number:int}", replayed),
    Route("/files-of-sounds/{file}", written),
    Route(_ONE + "/preview/{file}", preview),
    Route(_ONE + "/play", play, methods=["POST"]),
    Route(_ONE + "/keep", keep, methods=["POST"]),
    Route(_ONE + "/presets", presets, methods=["GET"]),
    Route(_ONE + "/presets", change_preset, methods=["PUT", "DELETE"]),
    Route(_ONE + "/history", history),
]
