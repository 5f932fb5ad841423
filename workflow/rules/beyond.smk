# trained runs, their limitations, times → the comparison of models that goes past the paper


# Takes all cores: nothing may run beside it.
rule measure_costs:
    input:
        configs=[f"{run}/config.yaml" for run in PLAN.compared_models],
        stores=PLAN.stores(PLAN.compared[0]),
        splits=PLAN.splits(PLAN.compared[0]),
    output:
        f"{RESULTS}/costs/beyond.csv",
    log:
        f"{LOGS}/measure_costs.log",
    benchmark:
        f"{BENCHMARKS}/measure_costs.tsv"
    conda:
        "../envs/baselines.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/profile"),
        runtime=lookup(within=SETTINGS, dpath="runtime/profile"),
        gpu=lookup(within=SETTINGS, dpath="gpu"),
    params:
        code=PLAN.code("measure-costs", *PLAN.models_of("beyond")),
        stores=stores_folder,
    message:
        "Timing the models that are compared past the paper"
    shell:
        "python -m leignn measure-costs --configs {input.configs:q} --stores {params.stores:q}"
        " --splits {input.splits:q} --threads {threads} --output {output:q} > {log:q} 2>&1"


rule build_beyond:
    input:
        metrics=PLAN.run_files(["beyond"], "metrics.json"),
        limitations=PLAN.compared_limitations,
        costs=rules.measure_costs.output,
    output:
        shown(f"{RESULTS}/beyond.csv"),
    log:
        f"{LOGS}/build_beyond.log",
    benchmark:
        f"{BENCHMARKS}/build_beyond.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("build-beyond"),
        datasets=PLAN.compared_arguments,
    message:
        "Comparing models past the paper"
    shell:
        "python -m leignn build-beyond {params.datasets:q} --metrics {input.metrics:q}"
        " --limitations {input.limitations:q} --costs {input.costs:q}"
        " --output {output:q} > {log:q} 2>&1"


rule plot_beyond:
    input:
        declaration=declarations(["beyond"]),
        table=f"{RESULTS}/beyond.csv",
    output:
        shown(f"{RESULTS}/beyond.svg"),
    log:
        f"{LOGS}/plot_beyond.log",
    benchmark:
        f"{BENCHMARKS}/plot_beyond.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("plot-beyond"),
    message:
        "Drawing the comparison past the paper"
    shell:
        "python -m leignn plot-beyond --declaration {input.declaration:q} --table {input.table:q}"
        " --output {output:q} > {log:q} 2>&1"
