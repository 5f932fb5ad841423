# models with random weights → time, parameters, operations, memory (Figure 4)


# Takes all cores: nothing may run beside it.
rule profile_models:
    input:
        unpack(profiled),
        published=local(config_file("published/complexity.csv")),
    output:
        shown(f"{RESULTS}/complexity.csv"),
    log:
        f"{LOGS}/profile_models.log",
    benchmark:
        f"{BENCHMARKS}/profile_models.tsv"
    conda:
        "../envs/baselines.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/profile"),
        runtime=lookup(within=SETTINGS, dpath="runtime/profile"),
        gpu=lookup(within=SETTINGS, dpath="gpu"),
    params:
        code=PLAN.code("profile", *PLAN.models_of("table1")),
        dataset=PLAN.drawn_dataset,
        models=PLAN.models_of("table1"),
        arguments=PLAN.profile_arguments,
        settings=PLAN.settings_argument,
        stores=stores_folder,
    message:
        "Profiling the models of Table 1"
    shell:
        "python -m leignn profile --dataset {params.dataset:q} --models {params.models:q}"
        " {params.arguments:q} --settings {params.settings:q} --stores {params.stores:q}"
        " --splits {input.splits:q} --published {input.published:q} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"
