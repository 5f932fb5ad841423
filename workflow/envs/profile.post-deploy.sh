# Snakemake runs this in the new environment. Requirements files have no --no-deps; fairchem-core asks for
# older torch, numpy and e3nn than it runs with.
set -eo pipefail
python -m pip install --no-deps fairchem-core==1.10.0
