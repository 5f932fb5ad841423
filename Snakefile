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
        "results/table1.csv",
        "results/table2.csv",
        "results/table3.csv",
        "results/oc20_50k.csv",
        "results/md17.csv",
        "results/iso17.csv",
        "results/claims.csv",
        "results/symmetry.csv",
        "results/complexity.csv",
        "results/figure1.svg",
        "results/figure2.svg",
        "results/figure3.svg",
        "results/complexity.svg",
        "results/learning_curves.svg",
        "results/figure5.svg",
        "results/dynamics.svg",
        "results/index.html",
