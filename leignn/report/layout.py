"""Columns and special rows of Tables 1 and 2."""

SPLITS = {"id": "ID", "ood_ads": "OOD Ads.", "ood_cat": "OOD Cat.", "ood_both": "OOD Both"}
QUANTITIES = {"energy_mev": "Energy", "forces_mev_per_ang": "Forces"}
CELLS = {
    f"{split}_{quantity}": f"{split_title} {title}"
    for split, split_title in SPLITS.items()
    for quantity, title in QUANTITIES.items()
}
TRIVIAL = "Mean energy, zero forces"
IMPROVEMENT = "Improvement"
RANK_CORRELATION = "Rank correlation"
SPECIAL_ROWS = (TRIVIAL, IMPROVEMENT, RANK_CORRELATION)  # no models: neither ranked nor compared
