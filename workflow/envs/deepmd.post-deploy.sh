# Snakemake runs this in the new environment. Requirements files have no --no-deps; see
# requirements-nodeps.txt for what deepmd-kit asks for in vain.
set -eo pipefail
python -m pip install --no-deps deepmd-kit==3.2.0
