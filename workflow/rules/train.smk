# data set × model × scale × seed → configuration → trained run


rule configure_run:
    input:
        dataset="config/datasets/{dataset}.yaml",
        model="config/models/{model}.yaml",
    output:
        config="results/runs/{dataset}/{scale}/{model}/seed{seed}/config.yaml",
    log:
        "logs/configure_run/{dataset}/{scale}/{model}/seed{seed}.log",
    benchmark:
        "logs/benchmarks/configure_run/{dataset}/{scale}/{model}/seed{seed}.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        settings=json.dumps(run_settings()),
    message:
        "Configuring {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m leignn configure --dataset {input.dataset} --model {input.model}"
        " --scale {wildcards.scale} --seed {wildcards.seed}"
        " --settings {params.settings:q} --output {output.config} > {log} 2>&1"


# The run's folder resume/ is no output: it must survive a job that is killed.
rule train_model:
    input:
        config="results/runs/{dataset}/{scale}/{model}/seed{seed}/config.yaml",
        stores=stores_input,
        splits=f"{DATA}/splits/{{dataset}}",
    output:
        checkpoint="results/runs/{dataset}/{scale}/{model}/seed{seed}/checkpoint.pt",
        log="results/runs/{dataset}/{scale}/{model}/seed{seed}/log.csv",
        provenance="results/runs/{dataset}/{scale}/{model}/seed{seed}/provenance.json",
    log:
        "logs/train_model/{dataset}/{scale}/{model}/seed{seed}.log",
    benchmark:
        "logs/benchmarks/train_model/{dataset}/{scale}/{model}/seed{seed}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: lookup(within=config, dpath="threads/train")
    resources:
        gpu=lookup(within=config, dpath="gpu"),
    params:
        stores=stores_folder,
        run=subpath(output.checkpoint, parent=True),
    message:
        "Training {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed} (progress: {log})"
    shell:
        "python -m leignn train --config {input.config} --stores {params.stores}"
        " --splits {input.splits} --output {params.run} --threads {threads} > {log} 2>&1"
