# a trained LEIGNN → Figures 1 to 3; tables → claims


rule plot_concepts:
    input:
        unpack(drawn),
    output:
        figure=report(
            "results/figure1.svg",
            caption="../report/figure1.rst",
            category="Figures",
            labels={"figure": "graphs, geometry and symmetry"},
        ),
        numbers=report(
            "results/symmetry.csv",
            caption="../report/symmetry.rst",
            category="Tables",
            labels={"table": "symmetry"},
        ),
    log:
        "logs/plot_concepts.log",
    benchmark:
        "logs/benchmarks/plot_concepts.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        stores=drawn_stores,
        split=drawn_split,
    message:
        "Drawing Figure 1"
    shell:
        "python -m leignn plot-concepts --checkpoint {input.checkpoint} --stores {params.stores}"
        " --splits {input.splits} --split {params.split} --output {output.figure}"
        " --numbers {output.numbers} > {log} 2>&1"


rule plot_architecture:
    input:
        unpack(drawn),
    output:
        report(
            "results/figure2.svg",
            caption="../report/figure2.rst",
            category="Figures",
            labels={"figure": "architecture"},
        ),
    log:
        "logs/plot_architecture.log",
    benchmark:
        "logs/benchmarks/plot_architecture.tsv"
    conda:
        "../envs/figures.yaml"
    message:
        "Drawing Figure 2"
    shell:
        "python -m leignn plot-architecture --checkpoint {input.checkpoint} --output {output}"
        " > {log} 2>&1"


rule plot_messages:
    input:
        unpack(drawn),
    output:
        report(
            "results/figure3.svg",
            caption="../report/figure3.rst",
            category="Figures",
            labels={"figure": "messages and forces"},
        ),
    log:
        "logs/plot_messages.log",
    benchmark:
        "logs/benchmarks/plot_messages.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        stores=drawn_stores,
        split=drawn_split,
    message:
        "Drawing Figure 3"
    shell:
        "python -m leignn plot-messages --checkpoint {input.checkpoint} --stores {params.stores}"
        " --splits {input.splits} --split {params.split} --output {output} > {log} 2>&1"


rule check_claims:
    input:
        claims="config/published/claims.yaml",
        tables=expand("results/{table}.csv", table=CLAIMED),
    output:
        report(
            "results/claims.csv",
            caption="../report/claims.rst",
            category="Scorecard",
            labels={"table": "claims"},
        ),
    log:
        "logs/check_claims.log",
    benchmark:
        "logs/benchmarks/check_claims.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Holding the paper's claims against the tables"
    shell:
        "python -m leignn check-claims --claims {input.claims} --tables {input.tables}"
        " --output {output} > {log} 2>&1"
