# data set × model × scale × seed → configuration → trained run


# What a run is configured to be is a parameter: a comment in a file is nothing new.
rule configure_run:
    input:
        dataset=ancient(dataset_files),
        model=ancient(model_file),
    output:
        config=f"{RUN}/config.yaml",
    log:
        f"{LOGS}/configure_run/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/configure_run/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.tsv"
    localrule: True
    conda:
        "../envs/torch.yaml"
    params:
        run=resolved_run,
        settings=PLAN.settings_argument,
    message:
        "Configuring {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m leignn configure --dataset {wildcards.dataset:q} --model {wildcards.model:q}"
        " --scale {wildcards.scale:q} --seed {wildcards.seed:q}"
        " --settings {params.settings:q} --output {output.config:q} > {log:q} 2>&1"


# The run's folder resume/ is no output: it must survive a job that is killed.
rule train_model:
    input:
        config=f"{RUN}/config.yaml",
        stores=stores_input,
        splits=f"{DATA}/splits/{{dataset}}",
    output:
        checkpoint=f"{RUN}/checkpoint.pt",
        log=f"{RUN}/log.csv",
        provenance=f"{RUN}/provenance.json",
    log:
        f"{LOGS}/train_model/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/train_model/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.tsv"
    priority: by_length
    conda:
        model_environment
    threads: lookup(within=SETTINGS, dpath="threads/train")
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/train"),
        runtime=lookup(within=SETTINGS, dpath="runtime/train"),
        gpu=lookup(within=SETTINGS, dpath="gpu"),
        device=PLAN.device,
    params:
        code=code_of("train"),
        stores=stores_folder,
        run=subpath(output.checkpoint, parent=True),
    message:
        "Training {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed} (progress: {log})"
    shell:
        "python -m leignn train --config {input.config:q} --stores {params.stores:q}"
        " --splits {input.splits:q} --output {params.run:q} --threads {threads}"
        " --device {resources.device:q} --record-failure > {log:q} 2>&1"
