# trained runs → the two limitations that the paper states, measured


rule draw_limitation_starts:
    input:
        unpack(drawn),
    output:
        f"{DATA}/starts/limitations/starts.extxyz",
    log:
        "logs/draw_limitation_starts.log",
    benchmark:
        "logs/benchmarks/draw_limitation_starts.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        stores=drawn_stores,
        split=drawn_split,
        starts=lookup(within=config, dpath="limitations/starts"),
    message:
        "Drawing structures to simulate at constant energy"
    shell:
        "python -m leignn extract-frames --stores {params.stores}"
        " --manifest {input.splits}/{params.split}.csv --count {params.starts}"
        " --output {output} > {log} 2>&1"


rule measure_limitations:
    input:
        drift=limitation_runs("drift"),
        separation=limitation_runs("separation"),
        starts=f"{DATA}/starts/limitations/starts.extxyz",
    output:
        report(
            "results/limitations.csv",
            caption="../report/limitations.rst",
            category="Tables",
            labels={"table": "limitations"},
        ),
    log:
        "logs/measure_limitations.log",
    benchmark:
        "logs/benchmarks/measure_limitations.tsv"
    conda:
        "../envs/fairchem.yaml"
    threads: lookup(within=config, dpath="threads/predict")
    resources:
        gpu=lookup(within=config, dpath="gpu"),
    message:
        "Measuring energy drift and the coupling of distant molecules"
    shell:
        "python -m leignn measure-limitations --drift {input.drift} --separation {input.separation}"
        " --starts {input.starts} --threads {threads} --output {output} > {log} 2>&1"


rule plot_limitations:
    input:
        table="results/limitations.csv",
    output:
        report(
            "results/limitations.svg",
            caption="../report/limitations.rst",
            category="Figures",
            labels={"figure": "limitations"},
        ),
    log:
        "logs/plot_limitations.log",
    benchmark:
        "logs/benchmarks/plot_limitations.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Plotting {input.table}"
    shell:
        "python -m leignn plot-limitations --table {input.table} --output {output} > {log} 2>&1"
