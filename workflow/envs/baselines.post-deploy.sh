# Snakemake runs this in the new environment, with sh. Conda's files have no --no-deps; requirements-nodeps.txt
# says what these ask for in vain.
set -e
python -m pip install --no-deps fairchem-core==1.10.0 chgnet==0.4.2 pymatgen==2025.10.7 deepmd-kit==3.2.0
