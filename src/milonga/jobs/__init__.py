"""Jobs: work that outlives its caller, in a queue on disk, on this machine or on many.

::

    from milonga import jobs

    job = jobs.submit(jobs.RenderWork(sheet="song.yaml", out="out"))
    jobs.start_runner()                     # or: milonga jobs run
    for job in jobs.Queue().jobs("running"):
        print(job.id, job.title, job.step)
"""

from typing import TYPE_CHECKING

from milonga._lazy import lazy_names

if TYPE_CHECKING:
    from milonga.jobs.job import Cost, Job, Step
    from milonga.jobs.kinds import (
        CompareWork,
        EditWork,
        PlayWork,
        RenderWork,
        ScoreWork,
        StudyWork,
        TrainWork,
        Work,
    )
    from milonga.jobs.local.choice import workers
    from milonga.jobs.local.sounds import sound_workers
    from milonga.jobs.queue import Queue
    from milonga.jobs.running.runner import Runner, start_runner
    from milonga.jobs.submitting import submit, wait

_HOMES = {
    "CompareWork": "milonga.jobs.kinds",
    "Cost": "milonga.jobs.job",
    "EditWork": "milonga.jobs.kinds",
    "Job": "milonga.jobs.job",
    "PlayWork": "milonga.jobs.kinds",
    "Queue": "milonga.jobs.queue",
    "RenderWork": "milonga.jobs.kinds",
    "Runner": "milonga.jobs.running.runner",
    "ScoreWork": "milonga.jobs.kinds",
    "Step": "milonga.jobs.job",
    "StudyWork": "milonga.jobs.kinds",
    "TrainWork": "milonga.jobs.kinds",
    "Work": "milonga.jobs.kinds",
    "sound_workers": "milonga.jobs.local.sounds",
    "start_runner": "milonga.jobs.running.runner",
    "submit": "milonga.jobs.submitting",
    "wait": "milonga.jobs.submitting",
    "workers": "milonga.jobs.local.choice",
}
"""The module of each name, which is imported when it is first used."""

__all__ = [
    "CompareWork",
    "Cost",
    "EditWork",
    "Job",
    "PlayWork",
    "Queue",
    "RenderWork",
    "Runner",
    "ScoreWork",
    "Step",
    "StudyWork",
    "TrainWork",
    "Work",
    "sound_workers",
    "start_runner",
    "submit",
    "wait",
    "workers",
]


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
