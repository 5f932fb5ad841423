# trained run → simulations → observables → Table 3, Figure 5


rule generate_md_standin:
    output:
        directory(f"{DATA}/raw/md_standin"),
    log:
        f"{LOGS}/generate_md_standin.log",
    benchmark:
        f"{BENCHMARKS}/generate_md_standin.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/data"),
        runtime=lookup(within=SETTINGS, dpath="runtime/data"),
    params:
        code=PLAN.code("generate-md-standin"),
    message:
        "Generating the EMT stand-in for LiPS"
    shell:
        "python -m leignn generate-md-standin --output {output} > {log} 2>&1"


rule analyse_reference:
    input:
        dataset=dataset_files,
        stores=stores_input,
    output:
        f"{DATA}/references/{{dataset}}.npz",
    log:
        f"{LOGS}/analyse_reference/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/analyse_reference/{{dataset}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/data"),
        runtime=lookup(within=SETTINGS, dpath="runtime/data"),
    params:
        code=PLAN.code("analyse-reference"),
        stores=stores_folder,
    message:
        "Computing the observables of the reference trajectory of {wildcards.dataset}"
    shell:
        "python -m leignn analyse-reference --dataset {wildcards.dataset} --stores {params.stores}"
        " --output {output} > {log} 2>&1"


rule draw_starts:
    input:
        stores=stores_input,
        splits=f"{DATA}/splits/{{dataset}}",
    output:
        f"{RESULTS}/starts/{{purpose}}/{{dataset}}.extxyz",
    log:
        f"{LOGS}/draw_starts/{{purpose}}/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/draw_starts/{{purpose}}/{{dataset}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/data"),
        runtime=lookup(within=SETTINGS, dpath="runtime/data"),
    params:
        code=PLAN.code("extract-frames"),
        stores=stores_folder,
        split=first_test_split,
        starts=lookup(within=SETTINGS, dpath="{purpose}/starts"),
    message:
        "Drawing starting configurations from {wildcards.dataset}, split {params.split}"
    shell:
        "python -m leignn extract-frames --stores {params.stores}"
        " --manifest {input.splits}/{params.split}.csv --count {params.starts} --output {output} > {log} 2>&1"


# The trajectory and thermo.csv are no outputs: they must survive a job that is killed.
rule simulate_run:
    input:
        checkpoint=f"{RUN}/checkpoint.pt",
        starts=f"{RESULTS}/starts/simulation/{{dataset}}.extxyz",
    output:
        outcome=f"{SIMULATION}/outcome.json",
    log:
        f"{LOGS}/simulate_run/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}/start{{start}}.log",
    benchmark:
        f"{BENCHMARKS}/simulate_run/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}/start{{start}}.tsv"
    conda:
        model_environment
    threads: lookup(within=SETTINGS, dpath="threads/predict")
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/predict"),
        runtime=lookup(within=SETTINGS, dpath="runtime/predict"),
        gpu=lookup(within=SETTINGS, dpath="gpu"),
    params:
        code=code_of("simulate"),
        folder=subpath(output.outcome, parent=True),
        settings=simulation_arguments,
    message:
        "Simulating {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}, start {wildcards.start}"
    shell:
        "python -m leignn simulate --checkpoint {input.checkpoint} --start {input.starts}"
        " --frame {wildcards.start} --seeds {wildcards.start} {params.settings}"
        " --threads {threads} --output {params.folder} --record-failure > {log} 2>&1"


rule analyse_simulation:
    input:
        outcome=f"{SIMULATION}/outcome.json",
        config=f"{RUN}/config.yaml",
        dataset=dataset_files,
        reference=f"{DATA}/references/{{dataset}}.npz",
    output:
        observables=f"{SIMULATION}/observables.json",
        curves=f"{SIMULATION}/observables.npz",
    log:
        f"{LOGS}/analyse_simulation/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}/start{{start}}.log",
    benchmark:
        f"{BENCHMARKS}/analyse_simulation/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}/start{{start}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/predict"),
        runtime=lookup(within=SETTINGS, dpath="runtime/predict"),
    params:
        code=PLAN.code("analyse-simulation"),
        folder=subpath(input.outcome, parent=True),
        run=subpath(input.config, parent=True),
    message:
        "Computing the observables of {wildcards.model} on {wildcards.dataset}, start {wildcards.start}"
    shell:
        "python -m leignn analyse-simulation --simulation {params.folder} --run {params.run}"
        " --dataset {wildcards.dataset} --reference {input.reference}"
        " --output {output.observables} > {log} 2>&1"
