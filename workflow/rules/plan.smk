# What a run would cost, before anything starts: leignn/forecast/.


# Its job is a dry run of this workflow, with the same configuration, and timings of its models.
rule plan:
    log:
        f"{LOGS}/plan.log",
    localrule: True
    conda:
        "../envs/baselines.yaml"
    params:
        snakefile=f"{LIBRARY}/workflow/Snakefile",
        given=GIVEN,
    message:
        "Planning (models that are not timed yet: {log})"
    shell:
        "python -m leignn plan --snakefile {params.snakefile:q} --config {params.given:q} 2> {log:q}"
