# The workflow, for those who look for it here.
include: "workflow/Snakefile"


workflow.default_target = "all"  # Snakemake takes no default from an included file
