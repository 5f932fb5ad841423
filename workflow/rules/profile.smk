# models with random weights → time, parameters, operations, memory (Figure 4)


# Takes all cores: nothing may run beside it.
rule profile_models:
    input:
        unpack(profiled),
        published="config/published/complexity.csv",
    output:
        shown("results/complexity.csv"),
    log:
        "logs/profile_models.log",
    benchmark:
        "logs/benchmarks/profile_models.tsv"
    conda:
        "../envs/profile.yaml"
    threads: workflow.cores
    resources:
        gpu=lookup(within=config, dpath="gpu"),
    params:
        scale=config["scale"],
        settings=json.dumps(run_settings()),
        stores=profiled_stores,
    message:
        "Profiling the models of Table 1"
    shell:
        "python -m leignn profile --dataset {input.dataset} --models {input.models}"
        " --scale {params.scale} --settings {params.settings:q} --stores {params.stores}"
        " --splits {input.splits} --published {input.published} --threads {threads}"
        " --output {output} > {log} 2>&1"
