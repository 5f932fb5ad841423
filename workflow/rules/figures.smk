# trained runs, simulations and tables → figures


rule plot_graphs:
    input:
        unpack(drawn),
    output:
        figure=shown("results/figure1.svg"),
        numbers=shown("results/symmetry.csv"),
    log:
        "logs/plot_graphs.log",
    benchmark:
        "logs/benchmarks/plot_graphs.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        stores=drawn_stores,
        split=drawn_split,
    message:
        "Drawing Figure 1"
    shell:
        "python -m leignn plot-graphs --checkpoint {input.checkpoint} --stores {params.stores}"
        " --splits {input.splits} --split {params.split} --output {output.figure}"
        " --numbers {output.numbers} > {log} 2>&1"


rule plot_architecture:
    input:
        unpack(drawn),
    output:
        shown("results/figure2.svg"),
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
        shown("results/figure3.svg"),
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


rule plot_learning_curves:
    input:
        metrics=run_files(WITH_RUNS, "metrics.json"),
        logs=run_files(WITH_RUNS, "log.csv"),
    output:
        shown("results/learning_curves.svg"),
    log:
        "logs/plot_learning_curves.log",
    benchmark:
        "logs/benchmarks/plot_learning_curves.tsv"
    conda:
        "../envs/report.yaml"
    params:
        runs=run_folders(WITH_RUNS),
    message:
        "Plotting learning curves"
    shell:
        "python -m leignn plot-learning-curves --runs {params.runs} --output {output}"
        " > {log} 2>&1"


rule plot_complexity:
    input:
        declaration=declarations(["complexity"]),
        table="results/complexity.csv",
    output:
        shown("results/complexity.svg"),
    log:
        "logs/plot_complexity.log",
    benchmark:
        "logs/benchmarks/plot_complexity.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Plotting {input.table}"
    shell:
        "python -m leignn plot-complexity --declaration {input.declaration}"
        " --table {input.table} --output {output} > {log} 2>&1"


rule plot_structure:
    input:
        simulations=simulation_files(["figure5"], "observables.json"),
        references=references_of(["figure5"]),
    output:
        shown("results/figure5.svg"),
    log:
        "logs/plot_structure.log",
    benchmark:
        "logs/benchmarks/plot_structure.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Plotting Figure 5"
    shell:
        "python -m leignn plot-structure --simulations {input.simulations}"
        " --references {input.references} --output {output} > {log} 2>&1"


rule plot_dynamics:
    input:
        simulations=simulation_files(SIMULATED, "observables.json"),
        references=references_of(SIMULATED),
    output:
        shown("results/dynamics.svg"),
    log:
        "logs/plot_dynamics.log",
    benchmark:
        "logs/benchmarks/plot_dynamics.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Plotting forces, temperatures and diffusion"
    shell:
        "python -m leignn plot-dynamics --simulations {input.simulations}"
        " --references {input.references} --output {output} > {log} 2>&1"


rule plot_limitations:
    input:
        declaration=declarations(["limitations"]),
        table="results/limitations.csv",
    output:
        shown("results/limitations.svg"),
    log:
        "logs/plot_limitations.log",
    benchmark:
        "logs/benchmarks/plot_limitations.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Plotting {input.table}"
    shell:
        "python -m leignn plot-limitations --declaration {input.declaration}"
        " --table {input.table} --output {output} > {log} 2>&1"
