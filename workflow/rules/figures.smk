# trained runs, simulations and tables → figures


rule plot_graphs:
    input:
        unpack(drawn),
    output:
        figure=shown(f"{RESULTS}/figure1.svg"),
        numbers=shown(f"{RESULTS}/symmetry.csv"),
    log:
        f"{LOGS}/plot_graphs.log",
    benchmark:
        f"{BENCHMARKS}/plot_graphs.tsv"
    localrule: True
    conda:
        "../envs/torch.yaml"
    params:
        code=PLAN.code("plot-graphs", DRAWN_MODEL),
        stores=stores_folder,
        split=drawn_split,
    message:
        "Drawing Figure 1"
    shell:
        "python -m leignn plot-graphs --checkpoint {input.checkpoint:q} --stores {params.stores:q}"
        " --splits {input.splits:q} --split {params.split:q} --output {output.figure:q}"
        " --numbers {output.numbers:q} > {log:q} 2>&1"


rule plot_architecture:
    input:
        unpack(drawn),
    output:
        shown(f"{RESULTS}/figure2.svg"),
    log:
        f"{LOGS}/plot_architecture.log",
    benchmark:
        f"{BENCHMARKS}/plot_architecture.tsv"
    localrule: True
    conda:
        "../envs/torch.yaml"
    params:
        code=PLAN.code("plot-architecture", DRAWN_MODEL),
    message:
        "Drawing Figure 2"
    shell:
        "python -m leignn plot-architecture --checkpoint {input.checkpoint:q} --output {output:q}"
        " > {log:q} 2>&1"


rule plot_messages:
    input:
        unpack(drawn),
    output:
        shown(f"{RESULTS}/figure3.svg"),
    log:
        f"{LOGS}/plot_messages.log",
    benchmark:
        f"{BENCHMARKS}/plot_messages.tsv"
    localrule: True
    conda:
        "../envs/torch.yaml"
    params:
        code=PLAN.code("plot-messages", DRAWN_MODEL),
        stores=stores_folder,
        split=drawn_split,
    message:
        "Drawing Figure 3"
    shell:
        "python -m leignn plot-messages --checkpoint {input.checkpoint:q} --stores {params.stores:q}"
        " --splits {input.splits:q} --split {params.split:q} --output {output:q} > {log:q} 2>&1"


rule plot_learning_curves:
    input:
        metrics=PLAN.run_files(PLAN.with_runs, "metrics.json"),
        logs=PLAN.run_files(PLAN.with_runs, "log.csv"),
        records=PLAN.run_files(PLAN.with_runs, "provenance.json"),
    output:
        shown(f"{RESULTS}/learning_curves.svg"),
    log:
        f"{LOGS}/plot_learning_curves.log",
    benchmark:
        f"{BENCHMARKS}/plot_learning_curves.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("plot-learning-curves"),
        runs=run_folders,
    message:
        "Plotting learning curves"
    shell:
        "python -m leignn plot-learning-curves --runs {params.runs:q} --output {output:q}"
        " > {log:q} 2>&1"


rule plot_complexity:
    input:
        declaration=declarations(["complexity"]),
        table=f"{RESULTS}/complexity.csv",
    output:
        shown(f"{RESULTS}/complexity.svg"),
    log:
        f"{LOGS}/plot_complexity.log",
    benchmark:
        f"{BENCHMARKS}/plot_complexity.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("plot-complexity"),
    message:
        "Plotting {input.table}"
    shell:
        "python -m leignn plot-complexity --declaration {input.declaration:q}"
        " --table {input.table:q} --output {output:q} > {log:q} 2>&1"


rule plot_structure:
    input:
        simulations=PLAN.simulation_files(["figure5"], "observables.json"),
        curves=PLAN.simulation_files(["figure5"], "observables.npz"),
        references=PLAN.references(["figure5"]),
    output:
        shown(f"{RESULTS}/figure5.svg"),
    log:
        f"{LOGS}/plot_structure.log",
    benchmark:
        f"{BENCHMARKS}/plot_structure.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("plot-structure"),
    message:
        "Plotting Figure 5"
    shell:
        "python -m leignn plot-structure --simulations {input.simulations:q}"
        " --references {input.references:q} --output {output:q} > {log:q} 2>&1"


rule plot_dynamics:
    input:
        simulations=PLAN.simulation_files(PLAN.simulated, "observables.json"),
        curves=PLAN.simulation_files(PLAN.simulated, "observables.npz"),
        thermo=PLAN.simulation_files(PLAN.simulated, "thermo.csv"),
        references=PLAN.references(PLAN.simulated),
    output:
        shown(f"{RESULTS}/dynamics.svg"),
    log:
        f"{LOGS}/plot_dynamics.log",
    benchmark:
        f"{BENCHMARKS}/plot_dynamics.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("plot-dynamics"),
    message:
        "Plotting forces, temperatures and diffusion"
    shell:
        "python -m leignn plot-dynamics --simulations {input.simulations:q}"
        " --references {input.references:q} --output {output:q} > {log:q} 2>&1"


rule plot_limitations:
    input:
        declaration=declarations(["limitations"]),
        table=f"{RESULTS}/limitations.csv",
    output:
        shown(f"{RESULTS}/limitations.svg"),
    log:
        f"{LOGS}/plot_limitations.log",
    benchmark:
        f"{BENCHMARKS}/plot_limitations.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("plot-limitations"),
    message:
        "Plotting {input.table}"
    shell:
        "python -m leignn plot-limitations --declaration {input.declaration:q}"
        " --table {input.table:q} --output {output:q} > {log:q} 2>&1"
