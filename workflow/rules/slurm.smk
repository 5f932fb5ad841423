# What the profile for Slurm takes for granted, said at the start where it is not so.
from snakemake.logging import logger

LONGEST_PAUSE = 180  # seconds between the plugin's questions


def warn_of_slurm():
    """An ended job that squeue has forgotten when it is asked is waited for without end."""
    if getattr(workflow.executor_settings, "status_command", None) != "squeue":
        return
    from snakemake_executor_plugin_slurm.job_status_query import get_min_job_age

    age = get_min_job_age()
    if age is not None and age <= LONGEST_PAUSE:
        logger.warning(
            f"This Slurm forgets a job {age} s after its end (MinJobAge), and is asked every {LONGEST_PAUSE} s:"
            " with an accounting database add --slurm-status-command sacct, without one ask for 300 s."
        )
