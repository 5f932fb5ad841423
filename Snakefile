# Entry: configuration, includes, targets. Everything else is in workflow/rules.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"
# Values given on the command line win over both files.
configfile: f"config/scales/{config['scale']}.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/md.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/profile.smk"
include: "workflow/rules/limitations.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        result_files(),
