"""Observables against golden numbers, other definitions of the same thing, and cases known by theory."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.geometry import get_distances

from leignn import cli
from leignn.errors import InputError
from leignn.md.observables import (
    BINS,
    HR_RANGE,
    RDF_RANGE,
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

GOLDEN = Path(__file__).parents[2] / "golden" / "observables.npz"
EDGES = np.linspace(*RDF_RANGE, BINS + 1)
SKEWED = np.array([[7.0, 0.0, 0.0], [3.0, 6.5, 0.0], [-2.0, 2.5, 8.0]])


def test_golden_numbers(capsys) -> None:
    assert cli.main(["check-observables", str(GOLDEN)]) == 0
    assert "unwrapping" in capsys.readouterr().out


def test_check_observables_fails_on_wrong_numbers(tmp_path) -> None:
    golden = dict(np.load(GOLDEN))
    for name in ("rdf", "rdf_first_quarter", "rdf_mae", "hr", "positions_unwrapped"):
        changed = golden | {name: golden[name] * (1 + 1e-8)}
        np.savez(tmp_path / "changed.npz", **changed)
        assert cli.main(["check-observables", str(tmp_path / "changed.npz")]) == 1, name
    lags = golden["li_diffusion_A2_per_frame_by_lag"].copy()
    lags[-1] = 0.0  # infinite in the reference
    np.savez(tmp_path / "changed.npz", **golden | {"li_diffusion_A2_per_frame_by_lag": lags})
    assert cli.main(["check-observables", str(tmp_path / "changed.npz")]) == 1


def test_a_file_that_is_no_golden_file(tmp_path, capsys) -> None:
    np.savez(tmp_path / "other.npz", positions=np.zeros((2, 2, 3)))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    (tmp_path / "cut.npz").write_bytes(GOLDEN.read_bytes()[:4000])  # a zip file without its end
    for name in ("other", "broken", "cut", "missing"):
        assert cli.main(["check-observables", str(tmp_path / f"{name}.npz")]) == 2
        assert f"{name}.npz" in capsys.readouterr().err


def test_rdf_takes_the_distances_that_ase_finds() -> None:
    """In a skewed cell, with atoms several cells away."""
    rng = np.random.default_rng(0)
    positions = rng.uniform(-2, 3, (3, 12, 3)) @ SKEWED
    count = np.zeros(BINS)
    for frame in positions:
        _, distances = get_distances(frame, cell=SKEWED, pbc=True)
        count += np.histogram(distances[~np.eye(12, dtype=bool)], EDGES)[0]
    shells = 4 / 3 * np.pi * np.diff(EDGES**3)
    expected = count / (3 * 12**2 / np.linalg.det(SKEWED) * shells)
    np.testing.assert_allclose(rdf(positions, SKEWED), expected, rtol=1e-12)


def test_rdf_of_an_ideal_gas_is_one() -> None:
    """(N − 1)/N with MDSim's count of pairs; the noise is that of the counts."""
    rng = np.random.default_rng(1)
    cell = 13.0 * np.eye(3)
    g = rdf(rng.uniform(0, 13, (400, 40, 3)), cell)
    far = EDGES[:-1] > 2
    pairs = 400 * 40 * 39 / 2 * 4 / 3 * np.pi * np.diff(EDGES**3) / 13**3
    deviation = (g - 39 / 40) * np.sqrt(pairs)
    assert abs(deviation[far].mean()) < 4 / np.sqrt(far.sum())
    assert deviation[far].std() == pytest.approx(1, abs=0.1)


def test_rdf_of_a_crystal_has_its_shells() -> None:
    """Copper: 12, 6 and 24 neighbours at a/√2, a and a√(3/2)."""
    atoms = bulk("Cu", cubic=True).repeat(4)
    g = rdf(atoms.positions[None], atoms.cell.array)
    density = len(atoms) ** 2 / atoms.get_volume()
    neighbours = g * density * 4 / 3 * np.pi * np.diff(EDGES**3) / len(atoms)
    a = bulk("Cu", cubic=True).cell[0, 0]
    for distance, count in ((a / np.sqrt(2), 12), (a, 6), (a * np.sqrt(1.5), 24)):
        near = np.abs((EDGES[1:] + EDGES[:-1]) / 2 - distance) < 0.05
        assert neighbours[near].sum() == pytest.approx(count)
    assert neighbours[EDGES[1:] < a / np.sqrt(2) - 0.05].sum() == 0


def test_pair_distances_of_two_atoms() -> None:
    """All weight in the bin of their distance; the cell plays no part."""
    positions = np.array([[[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]]])
    h = pair_distances(positions)
    edges = np.linspace(*HR_RANGE, BINS + 1)
    expected, _ = np.histogram([5.0], edges, density=True)
    np.testing.assert_allclose(h, expected, rtol=1e-12)
    other = pair_distances(positions * 1.2)
    by_hand = 2 * h.max() / (BINS - 1) * 10
    assert pair_distances_mae(h, other) == pytest.approx(by_hand)


def test_unwrapping_recovers_what_was_wrapped() -> None:
    rng = np.random.default_rng(2)
    steps = rng.uniform(-0.45, 0.45, (300, 9, 3))
    steps[0] = rng.uniform(0, 1, (9, 3))
    path = steps.cumsum(0)
    np.testing.assert_allclose(unwrap((path % 1) @ SKEWED, SKEWED), path @ SKEWED, atol=1e-9)


def test_diffusivity_of_a_random_walk() -> None:
    """Steps of variance 2 D a direction; a drift of all atoms must not count."""
    rng = np.random.default_rng(3)
    coefficient, atoms = 0.02, 400
    steps = rng.normal(0, np.sqrt(2 * coefficient), (500, atoms, 3)) + [0.5, 0.0, -0.1]
    found = diffusion_by_lag(steps.cumsum(0))[:20]
    np.testing.assert_allclose(found, coefficient * (1 - 1 / atoms), rtol=0.02)


def test_diffusivity_against_the_msd_by_fft() -> None:
    """Calandrini et al. 2011: MSD(k) = S1(k) − 2 S2(k), S2 an autocorrelation by FFT."""
    rng = np.random.default_rng(4)
    positions = rng.normal(size=(128, 5, 3)).cumsum(0)
    moved = positions - positions.mean(1, keepdims=True)
    frames = len(moved)
    transform = np.fft.fft(moved, 2 * frames, axis=0)
    correlation = np.fft.ifft(np.abs(transform) ** 2, axis=0)[:frames].real.sum(-1)
    squares = np.square(moved).sum(-1)
    msd = []
    for lag in range(1, frames):
        windows = frames - lag
        ends = squares[lag:].sum(0) + squares[:windows].sum(0)
        msd.append(((ends - 2 * correlation[lag]) / windows).mean())
    expected = np.array(msd) / (6 * np.arange(1, frames))
    np.testing.assert_allclose(diffusion_by_lag(positions), expected, rtol=1e-10)
    reference = diffusion_by_lag(positions, "mdsim")
    lags = np.arange(1, frames - 1)
    np.testing.assert_allclose(
        reference[:-1] * (frames - 1 - lags) / (frames - lags), expected[:-1], rtol=1e-10
    )


def test_partial_rdfs_of_an_ideal_mixture_are_one_and_add_up() -> None:
    rng = np.random.default_rng(8)
    cell, numbers = np.diag([13.0, 13, 13]), np.array([3] * 10 + [16] * 29 + [15])
    positions = rng.uniform(0, 13, (400, 40, 3))
    partial = partial_rdfs(positions, cell, numbers)
    assert set(partial) == {"Li-Li", "Li-S", "S-S", "Li-P", "P-S"}  # one P: no pair of its own
    for pair in ("Li-Li", "Li-S", "S-S"):
        assert partial[pair][200:].mean() == pytest.approx(1, abs=0.03)
    pairs = {"Li-Li": 45, "Li-S": 290, "S-S": 29 * 14, "Li-P": 10, "P-S": 29}
    total = sum(2 * count * partial[name] for name, count in pairs.items()) / 40**2
    np.testing.assert_allclose(total, rdf(positions, cell), rtol=1e-12)


def test_a_molecule_cut_by_the_cell_is_made_whole() -> None:
    rng = np.random.default_rng(9)
    molecule = np.array([[0, 0, 0], [1.1, 0, 0], [-0.4, 1.0, 0], [0, -0.5, 1.0]])
    whole = molecule + rng.uniform(-20, 20, (50, 1, 3))
    cut = wrap(whole, SKEWED)
    assert np.abs(pair_distances(cut) - pair_distances(whole)).max() > 0.1
    np.testing.assert_allclose(pair_distances(make_whole(cut, SKEWED)), pair_distances(whole), atol=1e-9)


def test_stability_ends_where_the_structure_does() -> None:
    rng = np.random.default_rng(5)
    atoms = bulk("Cu", cubic=True).repeat(3)
    cell = atoms.cell.array
    good = atoms.positions + rng.normal(0, 0.1, (40, len(atoms), 3))
    bad = rng.uniform(0, 1, (10, len(atoms), 3)) @ cell
    reference = rdf(good, cell)

    def deviation(positions: np.ndarray) -> float:
        return rdf_mae(rdf(positions, cell), reference)

    assert stability(good, deviation, window=5, frame_time=0.1) == pytest.approx(4.0)
    both = np.concatenate([good, bad])
    assert stability(both, deviation, window=5, frame_time=0.1) == pytest.approx(4.0)
    early = np.concatenate([good[:10], bad, good])
    assert stability(early, deviation, window=5, frame_time=0.1) == pytest.approx(1.0)
    assert rdf_mae(reference, reference) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, c: rdf(p[0], c), r"shape \(frames, atoms, 3\)"),
        (lambda p, c: rdf(p[:0], c), "shape"),
        (lambda p, c: rdf(p, np.zeros((3, 3))), "no volume"),
        (lambda p, c: unwrap(p, np.zeros((3, 3))), "no volume"),
        (lambda p, c: stability(p, lambda window: 0.0, 9, 0.1), "4 frames, fewer than the window's 9"),
        (lambda p, c: rdf(np.where(np.arange(4)[:, None, None] == 2, np.nan, p), c), "frame 2"),
        (lambda p, c: pair_distances(p * 1e3), "no two atoms"),
    ],
)
def test_bad_trajectories(call, message) -> None:
    positions = np.random.default_rng(6).uniform(1, 5, (4, 3, 3))
    with pytest.raises(InputError, match=message):
        call(positions, np.eye(3) * 6)
