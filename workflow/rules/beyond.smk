# trained runs, their limitations, times → the comparison of models that goes past the paper


# Takes all cores: nothing may run beside it.
rule profile_beyond:
    input:
        unpack(compared),
        published=config_file("published/complexity.csv"),
    output:
        f"{RESULTS}/costs/beyond.csv",
    log:
        f"{LOGS}/profile_beyond.log",
    benchmark:
        f"{BENCHMARKS}/profile_beyond.tsv"
    conda:
        "../envs/baselines.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/profile"),
        runtime=lookup(within=SETTINGS, dpath="runtime/profile"),
        gpu=lookup(within=SETTINGS, dpath="gpu"),
    params:
        code=PLAN.code("profile", *PLAN.models_of("beyond")),
        dataset=PLAN.compared[0],
        models=PLAN.models_of("beyond"),
        scale=SETTINGS["scale"],
        settings=PLAN.settings_argument,
        stores=PLAN.stores_folder(PLAN.compared[0]),
    message:
        "Profiling the models that are compared past the paper"
    shell:
        "python -m leignn profile --dataset {params.dataset:q} --models {params.models:q}"
        " --scales {params.scale:q} --settings {params.settings:q} --stores {params.stores:q}"
        " --splits {input.splits:q} --published {input.published:q} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule build_beyond:
    input:
        metrics=PLAN.run_files(["beyond"], "metrics.json"),
        limitations=PLAN.compared_limitations,
        costs=rules.profile_beyond.output,
        declaration=PLAN.declarations(["complexity"]),
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
        " --costs-declaration {input.declaration:q} --output {output:q} > {log:q} 2>&1"


rule plot_beyond:
    input:
        declaration=PLAN.declarations(["beyond"]),
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
