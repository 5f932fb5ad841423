# How far the workflow is, on one line, while it runs: leignn/progress.py.
from pathlib import Path

from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from leignn.progress import Job, Progress, Reporter, seconds_of


def planned(job):
    """A job as the line shows it, with what its benchmark of the last run says."""
    message = (job.message or f"Rule {job.rule.name}").partition(" (progress")[0]
    return Job(
        job.rule.name,
        message,
        job.threads,
        seconds_of(Path(job.benchmark)) if job.benchmark else None,
        Path(job.log[0]) if job.log else None,
        Path(job.input.config) if hasattr(job.input, "config") else None,
    )


def running_progress():
    jobs = {job.jobid: planned(job) for job in workflow.dag.needrun_jobs()}
    return Reporter(Progress(jobs, workflow.cores), logger, Quietness.PROGRESS)


REPORTERS = []


# Snakemake 9.27 limits jobs a second (100) by looking for a free slot a second after every decision that leaves
# jobs waiting, and after the next: each job that ends leaves one more such chain. After 120 jobs of a default run
# its process took 25 to 60 % of a core. On one machine it is the cores that limit jobs, also where
# --max-jobs-per-timespan is given.
def unhurried():
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


onstart:
    unhurried()
    warn_of_slurm()
    REPORTERS.append(running_progress())
    REPORTERS[-1].start()


onsuccess:
    REPORTERS.pop().stop()


onerror:
    REPORTERS.pop().stop()
