"""What a run of the workflow will cost, before anything starts: ``snakemake plan``."""
