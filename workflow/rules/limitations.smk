# trained runs → the two limitations that the paper states, measured


rule measure_drift:
    input:
        checkpoint=f"{RUN}/checkpoint.pt",
        starts=f"{DATA}/starts/limitations/{{dataset}}.extxyz",
    output:
        f"{RUN}/limitations/drift.csv",
    log:
        "logs/measure_drift/{dataset}/{scale}/{model}/seed{seed}.log",
    benchmark:
        "logs/benchmarks/measure_drift/{dataset}/{scale}/{model}/seed{seed}.tsv"
    conda:
        model_environment
    threads: lookup(within=config, dpath="threads/predict")
    resources:
        gpu=lookup(within=config, dpath="gpu"),
    message:
        "Measuring the energy drift of {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m leignn measure-drift --checkpoint {input.checkpoint} --starts {input.starts}"
        " --threads {threads} --output {output} > {log} 2>&1"


rule measure_separation:
    input:
        checkpoint=f"{RUN}/checkpoint.pt",
    output:
        f"{RUN}/limitations/separation.csv",
    log:
        "logs/measure_separation/{dataset}/{scale}/{model}/seed{seed}.log",
    benchmark:
        "logs/benchmarks/measure_separation/{dataset}/{scale}/{model}/seed{seed}.tsv"
    conda:
        model_environment
    threads: lookup(within=config, dpath="threads/predict")
    resources:
        gpu=lookup(within=config, dpath="gpu"),
    message:
        "Measuring the coupling of distant molecules by {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m leignn measure-separation --checkpoint {input.checkpoint}"
        " --threads {threads} --output {output} > {log} 2>&1"


rule join_limitations:
    input:
        drift=limitation_files("drift"),
        separation=limitation_files("separation"),
    output:
        shown("results/limitations.csv"),
    log:
        "logs/join_limitations.log",
    benchmark:
        "logs/benchmarks/join_limitations.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Joining the measured limitations"
    shell:
        "python -m leignn join-limitations --rows {input.drift} {input.separation}"
        " --output {output} > {log} 2>&1"
