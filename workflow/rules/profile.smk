# models with random weights → time, parameters, operations, memory (Figure 4)


# Takes all cores: nothing may run beside it.
rule profile_models:
    input:
        unpack(profiled),
        published="config/published/complexity.csv",
    output:
        report(
            "results/complexity.csv",
            caption="../report/complexity.rst",
            category="Tables",
            labels={"table": "complexity"},
        ),
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


rule plot_complexity:
    input:
        complexity="results/complexity.csv",
    output:
        report(
            "results/complexity.svg",
            caption="../report/complexity.rst",
            category="Figures",
            labels={"figure": "complexity"},
        ),
    log:
        "logs/plot_complexity.log",
    benchmark:
        "logs/benchmarks/plot_complexity.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Plotting {input.complexity}"
    shell:
        "python -m leignn plot-complexity --complexity {input.complexity} --output {output}"
        " > {log} 2>&1"
