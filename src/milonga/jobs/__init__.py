"""Jobs: work that outlives its caller, in a queue on disk, on this machine or on many.

::

    from milonga import jobs

    job = jobs.submit(jobs.RenderWork(sheet="song.yaml", out="out"))
    jobs.start_runner()                     # or: milonga jobs run
    for job in jobs.Queue().jobs("running"):
        print(job.id, job.title, job.step)
"""

from milonga.jobs.job import Cost, Job, Step
from milonga.jobs.kinds import (
    CompareWork,
    EditWork,
    RenderWork,
    ScoreWork,
    StudyWork,
    TrainWork,
    Work,
)
from milonga.jobs.local.choice import workers
from milonga.jobs.queue import Queue
from milonga.jobs.running.runner import Runner, start_runner
from milonga.jobs.submit import submit, wait

__all__ = [
    "CompareWork",
    "Cost",
    "EditWork",
    "Job",
    "Queue",
    "RenderWork",
    "Runner",
    "ScoreWork",
    "Step",
    "StudyWork",
    "TrainWork",
    "Work",
    "start_runner",
    "submit",
    "wait",
    "workers",
]
