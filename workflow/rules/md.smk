# trained run → simulations → observables → Table 3, Figure 5


rule generate_md_standin:
    output:
        directory(f"{DATA}/raw/{{system}}_standin"),
    log:
        f"{LOGS}/generate_md_standin/{{system}}.log",
    benchmark:
        f"{BENCHMARKS}/generate_md_standin/{{system}}.tsv"
    priority: FIRST_OF_ALL
    conda:
        "../envs/light.yaml"
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/data"),
        runtime=lookup(within=SETTINGS, dpath="runtime/data"),
    params:
        code=PLAN.code("generate-md-standin"),
        size=SETTINGS["trajectories"],
    message:
        "Generating the stand-in for simulations of a {wildcards.system}"
    shell:
        "python -m leignn generate-md-standin --system {wildcards.system:q} --replicas {params.size[replicas]:q}"
        " --frames {params.size[frames]:q} --output {output:q} > {log:q} 2>&1"


rule analyse_reference:
    input:
        dataset=ancient(dataset_files),
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
        analysis=analysis_of,
        stores=stores_folder,
    message:
        "Computing the observables of the reference trajectory of {wildcards.dataset}"
    shell:
        "python -m leignn analyse-reference --dataset {wildcards.dataset:q} --stores {params.stores:q}"
        " --output {output:q} > {log:q} 2>&1"


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
    localrule: True
    conda:
        "../envs/torch.yaml"
    params:
        code=PLAN.code("extract-frames"),
        stores=stores_folder,
        split=first_test_split,
        starts=lookup(within=SETTINGS, dpath="{purpose}/starts"),
    message:
        "Drawing starting configurations from {wildcards.dataset}, split {params.split}"
    shell:
        "python -m leignn extract-frames --stores {params.stores:q}"
        " --manifest {input.splits:q}/{params.split:q}.csv --count {params.starts:q} --output {output:q} > {log:q} 2>&1"


# The simulation's folder resume/ is no output: it must survive a job that is killed.
rule simulate_run:
    input:
        checkpoint=f"{RUN}/checkpoint.pt",
        starts=f"{RESULTS}/starts/simulation/{{dataset}}.extxyz",
    output:
        outcome=f"{SIMULATION}/outcome.json",
        trajectory=f"{SIMULATION}/trajectory.extxyz",
        thermo=f"{SIMULATION}/thermo.csv",
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
        device=PLAN.device,
    params:
        code=code_of("simulate"),
        folder=subpath(output.outcome, parent=True),
        settings=simulation_arguments,
    message:
        "Simulating {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}, start {wildcards.start}"
    shell:
        "python -m leignn simulate --checkpoint {input.checkpoint:q} --start {input.starts:q}"
        " --frame {wildcards.start:q} --seeds {wildcards.start:q} {params.settings:q}"
        " --threads {threads} --device {resources.device:q} --output {params.folder:q} --record-failure > {log:q} 2>&1"


rule analyse_simulation:
    input:
        outcome=f"{SIMULATION}/outcome.json",
        trajectory=f"{SIMULATION}/trajectory.extxyz",
        thermo=f"{SIMULATION}/thermo.csv",
        config=f"{RUN}/config.yaml",
        dataset=ancient(dataset_files),
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
        runtime=60,  # minutes; seconds at scale mini
    params:
        code=PLAN.code("analyse-simulation"),
        analysis=analysis_of,
        folder=subpath(input.outcome, parent=True),
        run=subpath(input.config, parent=True),
    message:
        "Computing the observables of {wildcards.model} on {wildcards.dataset}, start {wildcards.start}"
    shell:
        "python -m leignn analyse-simulation --simulation {params.folder:q} --run {params.run:q}"
        " --dataset {wildcards.dataset:q} --reference {input.reference:q}"
        " --output {output.observables:q} > {log:q} 2>&1"
