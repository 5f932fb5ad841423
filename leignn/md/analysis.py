"""What a trajectory shows: its curves, its diffusivity, and the numbers that it is judged by."""

from typing import Any

import numpy as np
from ase.data import chemical_symbols

from leignn.config.simulation import Analysis, Diffusion
from leignn.errors import InputError
from leignn.md.observables import (
    BROKEN,
    COLLAPSE,
    Convention,
    bond_deviation,
    diffusion_by_lag,
    make_whole,
    pair_distances,
    pair_distances_mae,
    partial_rdfs,
    rdf,
    rdf_mae,
    stability,
    unwrap,
    wrap,
)
from leignn.md.trajectory import Trajectory

A2_PER_PS = 10.0  # 1 Å²/ps in 1e-9 m²/s
FORCE_BINS = 80
FORCE_QUANTILE = 0.999  # of the reference's force magnitudes: where the bins end


def comparable(trajectory: Trajectory, analysis: Analysis) -> np.ndarray:
    """(T, N, 3) Å, so that distances without periodic images mean the same in every trajectory.

    What fills its cell is wrapped into it; a molecule alone is made whole.
    """
    if analysis.distribution != "pair_distances":
        return wrap(trajectory.positions, trajectory.cell)
    if trajectory.periodic:
        return make_whole(trajectory.positions, trajectory.cell)
    return trajectory.positions


def curves_of(
    trajectory: Trajectory, analysis: Analysis, reference: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What the figures draw.

    Args:
        trajectory: a simulation's, or the reference.
        analysis: what to compute.
        reference: the reference's curves, whose bins of forces are used; empty for itself.

    Returns:
        ``rdf``, ``partial_rdf/<pair>``, ``pair_distances`` (500,); ``force_edges/<element>`` in eV/Å
        and ``force_density/<element>`` of the force magnitudes; of an element that diffuses ``msd``
        in Å² and ``msd_lag`` in ps; ``numbers``, ``cell`` and the ``last_frame`` (N, 3) Å.
    """
    found = {
        "pair_distances": pair_distances(comparable(trajectory, analysis)),
        "numbers": trajectory.numbers,
        "cell": trajectory.cell,
        "last_frame": trajectory.positions[-1],
    }
    if trajectory.periodic:
        found["rdf"] = rdf(trajectory.positions, trajectory.cell, analysis.images)
        for pair, values in partial_rdfs(
            trajectory.positions, trajectory.cell, trajectory.numbers, analysis.images
        ).items():
            found[f"partial_rdf/{pair}"] = values
    magnitudes = np.linalg.norm(trajectory.forces, axis=2)
    for number in np.unique(trajectory.numbers):
        element, values = chemical_symbols[number], magnitudes[:, trajectory.numbers == number]
        edges = reference.get(f"force_edges/{element}")
        if edges is None:
            edges = np.linspace(0, np.quantile(values, FORCE_QUANTILE), FORCE_BINS + 1)
        found[f"force_edges/{element}"] = edges
        # Of all forces, also those beyond the bins: the area under the curve may be less than one.
        found[f"force_density/{element}"] = np.histogram(values, edges)[0] / values.size / np.diff(edges)
    if analysis.diffusion is not None and trajectory.frame_time is not None:
        moved = _moved(trajectory, analysis.diffusion)
        if moved.shape[1] > 2:
            lags = np.arange(1, moved.shape[1])
            found["msd"] = 6 * lags * np.mean([diffusion_by_lag(each) for each in moved], axis=0)
            found["msd_lag"] = lags * analysis.diffusion.spacing
    return found


def diffusivity(trajectory: Trajectory, how: Diffusion, convention: Convention) -> float:
    """Diffusivity in 1e-9 m²/s, read at one lag: the mean over the trajectories.

    Raises:
        InputError: the trajectory is too short for that lag, or its frames do not allow the spacing.
    """
    moved = _moved(trajectory, how)
    lag = round(how.lag / how.spacing)
    # One window more than the lag: the reference convention divides by one fewer than there are.
    if moved.shape[1] < lag + 2:
        length = trajectory.length
        raise InputError(f"{length:g} ps are too short for a diffusivity at a lag of {how.lag:g} ps")
    found = [diffusion_by_lag(each, convention)[lag - 1] for each in moved]
    return float(np.mean(found) / how.spacing * A2_PER_PS)


def _moved(trajectory: Trajectory, how: Diffusion) -> np.ndarray:
    """(R, T, N, 3) Å, unwrapped positions of the tracked atoms in the frames that count, by trajectory."""
    frame_time = _frame_time(trajectory)
    stride = round(how.spacing / frame_time)
    if stride < 1 or not np.isclose(stride * frame_time, how.spacing, rtol=1e-3):
        raise InputError(f"frames {frame_time:g} ps apart allow no spacing of {how.spacing:g} ps")
    positions = trajectory.positions[:, tracked(trajectory, how)]
    each = np.split(positions, trajectory.replicas)
    if trajectory.periodic:
        each = [unwrap(positions, trajectory.cell) for positions in each]
    return np.stack(each)[:, round(how.skip / frame_time) :: stride]


def _frame_time(trajectory: Trajectory) -> float:
    if trajectory.frame_time is None:
        raise InputError("a trajectory whose frames are in no order has no times")
    return trajectory.frame_time


def tracked(trajectory: Trajectory, how: Diffusion) -> np.ndarray:
    tracked = trajectory.numbers == chemical_symbols.index(how.element)
    if not tracked.any():
        raise InputError(f"md.diffusion.element: the trajectory has no {how.element}")
    return tracked


def observables(
    trajectory: Trajectory, analysis: Analysis, reference: dict[str, np.ndarray], time: float
) -> dict[str, Any]:
    """The numbers of a simulation.

    Args:
        trajectory: of the simulation.
        analysis: what to compute.
        reference: arrays of ``analyse-reference``.
        time: ps that were simulated.

    Returns:
        ``stability_ps``, ``rdf_mae`` (Å; None without a cell), ``pair_distances_mae``, and of the
        diffusing element ``diffusivity`` and ``diffusivity_mdsim`` (MDSim's count of windows),
        ``diffusivity_reference`` and ``diffusivity_error`` in 1e-9 m²/s, or None and the reason in
        ``diffusivity_missing``.

    Raises:
        InputError: stability is asked by bonds, and the reference has none.
    """
    cell = trajectory.cell

    def of_rdf(positions: np.ndarray) -> float:
        return rdf_mae(rdf(positions, cell, analysis.images), reference["rdf"])

    def of_pair_distances(positions: np.ndarray) -> float:
        return pair_distances_mae(pair_distances(positions), reference["pair_distances"])

    positions = comparable(trajectory, analysis)
    if analysis.distribution == "bonds" and "bonds" not in reference:
        raise InputError("the reference was analysed without its bonds: analyse it anew with this data set")

    def deviation(window: np.ndarray) -> float:
        if analysis.distribution == "rdf":
            return of_rdf(window)
        if analysis.distribution == "bonds":
            return bond_deviation(window, cell, reference["bonds"], reference["bond_lengths"])
        try:
            return of_pair_distances(window)
        except InputError:  # no two atoms are within the range any more
            return np.inf

    frame_time = _frame_time(trajectory)
    window = max(1, round(analysis.window / frame_time))
    limit = BROKEN if analysis.distribution == "bonds" else COLLAPSE
    # A simulation that stopped within its first window was stable for as long as it lasted.
    stable = time
    if len(trajectory) >= window:
        stable = min(time, stability(positions, deviation, window, frame_time, limit))
    found: dict[str, float | str | None] = {
        "stability_ps": stable,
        "rdf_mae": of_rdf(positions) if trajectory.periodic else None,
        "pair_distances_mae": of_pair_distances(positions),
    }
    if analysis.diffusion is not None:
        found |= _diffusivities(trajectory, analysis.diffusion, reference, stable)
    return found


def _diffusivities(
    trajectory: Trajectory, how: Diffusion, reference: dict[str, np.ndarray], stable: float
) -> dict[str, Any]:
    expected = float(reference["diffusivity"])
    found: dict[str, Any] = {"diffusivity_reference": expected if np.isfinite(expected) else None}
    if stable < how.stable:
        missing = f"stable for {stable:g} ps, not for the {how.stable:g} that its diffusivity needs"
        return found | {"diffusivity_missing": missing}
    try:
        found["diffusivity"] = diffusivity(trajectory, how, "corrected")
        found["diffusivity_mdsim"] = diffusivity(trajectory, how, "mdsim")
    except InputError as error:
        return found | {"diffusivity_missing": str(error)}
    if found["diffusivity_reference"] is not None:
        found["diffusivity_error"] = abs(found["diffusivity"] - expected)
    return found
