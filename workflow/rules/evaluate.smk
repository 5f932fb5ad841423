# trained run → predictions → metrics


rule predict_run:
    input:
        checkpoint=f"{RUN}/checkpoint.pt",
        stores=stores_input,
        splits=f"{DATA}/splits/{{dataset}}",
    output:
        predictions=directory(f"{RUN}/predictions"),
    log:
        f"{LOGS}/predict_run/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/predict_run/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.tsv"
    conda:
        model_environment
    threads: lookup(within=SETTINGS, dpath="threads/predict")
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/predict"),
        runtime=lookup(within=SETTINGS, dpath="runtime/predict"),
        gpu=lookup(within=SETTINGS, dpath="gpu"),
        device=PLAN.device,
    params:
        code=code_of("predict"),
        stores=stores_folder,
        run=subpath(input.checkpoint, parent=True),
        tests=test_splits,
    message:
        "Predicting {params.tests} of {wildcards.dataset} with {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m leignn predict --run {params.run:q} --stores {params.stores:q}"
        " --splits {input.splits:q} --predict {params.tests:q} --threads {threads} --device {resources.device:q}"
        " --output {output.predictions:q} --record-failure > {log:q} 2>&1"


rule score_run:
    input:
        predictions=f"{RUN}/predictions",
        provenance=f"{RUN}/provenance.json",
        config=f"{RUN}/config.yaml",
        checkpoint=f"{RUN}/checkpoint.pt",
        stores=stores_input,
        splits=f"{DATA}/splits/{{dataset}}",
    output:
        metrics=f"{RUN}/metrics.json",
    log:
        f"{LOGS}/score_run/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/score_run/{{dataset}}/{{scale}}/{{model}}/seed{{seed}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/predict"),
        runtime=60,  # minutes; seconds at scale mini
    params:
        code=PLAN.code("score"),
        stores=stores_folder,
        run=subpath(input.provenance, parent=True),
    message:
        "Scoring {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python -m leignn score --run {params.run:q} --stores {params.stores:q}"
        " --splits {input.splits:q} --predictions {input.predictions:q}"
        " --output {output.metrics:q} > {log:q} 2>&1"
