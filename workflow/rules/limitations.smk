# trained runs → the two limitations that the paper states, measured


rule measure_drift:
    input:
        checkpoint=f"{RUN}/checkpoint.pt",
        starts=f"{RESULTS}/starts/limitations/{{dataset}}.extxyz",
    output:
        f"{RUN}/limitations/drift.csv",
    log:
        f"{LOGS}/measure_drift/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_drift/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.tsv"
    conda:
        model_environment
    threads: lookup(within=SETTINGS, dpath="threads/predict")
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/predict"),
        runtime=lookup(within=SETTINGS, dpath="runtime/predict"),
        gpu=lookup(within=SETTINGS, dpath="gpu"),
        device=PLAN.device,
    params:
        code=code_of("measure-drift"),
    message:
        "Measuring the energy drift of {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m leignn measure-drift --checkpoint {input.checkpoint:q} --starts {input.starts:q}"
        " --threads {threads} --device {resources.device:q} --output {output:q} > {log:q} 2>&1"


rule measure_separation:
    input:
        checkpoint=f"{RUN}/checkpoint.pt",
    output:
        f"{RUN}/limitations/separation.csv",
    log:
        f"{LOGS}/measure_separation/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/measure_separation/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.tsv"
    conda:
        model_environment
    threads: lookup(within=SETTINGS, dpath="threads/predict")
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/predict"),
        runtime=lookup(within=SETTINGS, dpath="runtime/predict"),
        gpu=lookup(within=SETTINGS, dpath="gpu"),
        device=PLAN.device,
    params:
        code=code_of("measure-separation"),
    message:
        "Measuring the coupling of distant molecules by {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m leignn measure-separation --checkpoint {input.checkpoint:q}"
        " --threads {threads} --device {resources.device:q} --output {output:q} > {log:q} 2>&1"


rule join_limitations:
    input:
        drift=PLAN.limitation_files("drift"),
        separation=PLAN.limitation_files("separation"),
    output:
        shown(f"{RESULTS}/limitations.csv"),
    log:
        f"{LOGS}/join_limitations.log",
    benchmark:
        f"{BENCHMARKS}/join_limitations.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("join-limitations"),
    message:
        "Joining the measured limitations"
    shell:
        "python -m leignn join-limitations --rows {input.drift:q} {input.separation:q}"
        " --output {output:q} > {log:q} 2>&1"
