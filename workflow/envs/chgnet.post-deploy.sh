# Snakemake runs this in the new environment. Requirements files have no --no-deps; see
# requirements-nodeps.txt for what chgnet and pymatgen ask for in vain.
set -eo pipefail
python -m pip install --no-deps chgnet==0.4.2 pymatgen==2025.10.7
