"""What a data set's YAML says about the analysis of its simulations (its key ``md``)."""

from dataclasses import dataclass

from leignn.config.dataset import Dataset
from leignn.config.simulation import Distribution


@dataclass(frozen=True)
class Diffusion:
    """How a diffusivity is read off a trajectory; times in ps (MDSim: 5, 0.05, 35, 40)."""

    element: str
    skip: float  # dropped at the start
    spacing: float  # between the frames that count
    lag: float  # at which it is read
    stable: float  # shortest stable time for which it is


@dataclass(frozen=True)
class Analysis:
    """What is computed from the simulations of a data set.

    Attributes:
        part: of the data set, with the reference trajectory.
        frame_time: fs between the reference's frames; None if they are in no order.
        distribution: what decides on stability, g(r) or h(r).
        window: ps, of the stability.
        diffusion: None if nothing diffuses.
    """

    part: str
    frame_time: float | None
    distribution: Distribution
    window: float
    diffusion: Diffusion | None


def analysis_of(dataset: Dataset) -> Analysis:
    """The analysis that ``dataset`` asks for.

    Raises:
        InputError: the data set is not one for simulations.
    """
    md = dataset.dynamics
    diffusion = Diffusion(**md.diffusion.model_dump()) if md.diffusion else None
    return Analysis(md.reference.part, md.reference.frame_time, md.distribution, md.window, diffusion)
