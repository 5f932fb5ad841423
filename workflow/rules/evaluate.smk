# trained run → predictions → metrics


rule predict_split:
    input:
        checkpoint=f"{RUN}/checkpoint.pt",
        stores=stores_input,
        splits=f"{DATA}/splits/{{dataset}}",
    output:
        predictions=f"{RUN}/predictions/{{split}}.npz",
    log:
        "logs/predict_split/{dataset}/{scale}/{model}/seed{seed}/{split}.log",
    benchmark:
        "logs/benchmarks/predict_split/{dataset}/{scale}/{model}/seed{seed}/{split}.tsv"
    conda:
        model_environment
    threads: lookup(within=config, dpath="threads/predict")
    resources:
        gpu=lookup(within=config, dpath="gpu"),
    params:
        stores=stores_folder,
        run=subpath(input.checkpoint, parent=True),
    message:
        "Predicting {wildcards.split} of {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m leignn predict --run {params.run} --stores {params.stores}"
        " --splits {input.splits} --split {wildcards.split} --threads {threads}"
        " --output {output.predictions} --record-failure > {log} 2>&1"


rule score_run:
    input:
        predictions=predictions_input,
        provenance=f"{RUN}/provenance.json",
        stores=stores_input,
        splits=f"{DATA}/splits/{{dataset}}",
    output:
        metrics=f"{RUN}/metrics.json",
    log:
        "logs/score_run/{dataset}/{scale}/{model}/seed{seed}.log",
    benchmark:
        "logs/benchmarks/score_run/{dataset}/{scale}/{model}/seed{seed}.tsv"
    conda:
        "../envs/torch.yaml"
    params:
        stores=stores_folder,
        run=subpath(input.provenance, parent=True),
    message:
        "Scoring {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m leignn score --run {params.run} --stores {params.stores}"
        " --splits {input.splits} --predictions {input.predictions}"
        " --output {output.metrics} > {log} 2>&1"
