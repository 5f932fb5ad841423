# source → raw files → store → split manifests


rule generate_oc20_standin:
    output:
        directory(f"{DATA}/raw/oc20_standin"),
    log:
        f"{LOGS}/generate_oc20_standin.log",
    benchmark:
        f"{BENCHMARKS}/generate_oc20_standin.tsv"
    priority: FIRST_OF_ALL
    conda:
        "../envs/light.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/data"),
        runtime=lookup(within=SETTINGS, dpath="runtime/data"),
    params:
        code=PLAN.code("generate-oc20-standin"),
        standin=SETTINGS["standin"],
    message:
        "Generating the EMT stand-in for OC20"
    shell:
        "python -m leignn generate-oc20-standin --train {params.standin[train]:q} --validation {params.standin[validation]:q}"
        " --seed {params.standin[seed]:q} --workers {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule download_part:
    output:
        directory(f"{DATA}/raw/{{dataset}}/{{part}}"),
    log:
        f"{LOGS}/download/{{dataset}}/{{part}}.log",
    benchmark:
        f"{BENCHMARKS}/download/{{dataset}}/{{part}}.tsv"
    retries: 3
    conda:
        "../envs/light.yaml"
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/data"),
        runtime=lookup(within=SETTINGS, dpath="runtime/data"),
        downloads=1,
    params:
        source=part_of,
    message:
        "Downloading {wildcards.dataset}/{wildcards.part}"
    shell:
        "python -m leignn download --dataset {wildcards.dataset:q}"
        " --part {wildcards.part:q} --output {output:q} > {log:q} 2>&1"


rule download_archive:
    input:
        archives=ancient(local(PLAN.archives_file)),
    output:
        directory(f"{DATA}/archives/{{archive}}"),
    log:
        f"{LOGS}/download_archive/{{archive}}.log",
    benchmark:
        f"{BENCHMARKS}/download_archive/{{archive}}.tsv"
    retries: 3
    conda:
        "../envs/light.yaml"
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/data"),
        runtime=lookup(within=SETTINGS, dpath="runtime/data"),
        downloads=1,
    params:
        source=archive_of,
    message:
        "Downloading {wildcards.archive}"
    shell:
        "python -m leignn download --archives {input.archives:q} --archive {wildcards.archive:q}"
        " --output {output:q} > {log:q} 2>&1"


rule build_store:
    input:
        raw=raw_input,
    output:
        store=directory(f"{DATA}/stores/{{dataset}}/{{part}}"),
    log:
        f"{LOGS}/build_store/{{dataset}}/{{part}}.log",
    benchmark:
        f"{BENCHMARKS}/build_store/{{dataset}}/{{part}}.tsv"
    priority: FIRST_OF_ALL
    conda:
        "../envs/light.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lookup(within=SETTINGS, dpath="mem_mb/data"),
        runtime=lookup(within=SETTINGS, dpath="runtime/data"),
    params:
        labels=labels_of,
        code=PLAN.code("build-store"),
        raw=raw_root,
        part=part_of,
    message:
        "Building the store of {wildcards.dataset}/{wildcards.part}"
    shell:
        "python -m leignn build-store --dataset {wildcards.dataset:q}"
        " --part {wildcards.part:q} --raw {params.raw:q} --output {output.store:q}"
        " --workers {threads} > {log:q} 2>&1"


rule split_dataset:
    input:
        stores=stores_input,
        manifest=manifest_input,
    output:
        splits=directory(f"{DATA}/splits/{{dataset}}"),
    log:
        f"{LOGS}/split_dataset/{{dataset}}.log",
    benchmark:
        f"{BENCHMARKS}/split_dataset/{{dataset}}.tsv"
    priority: FIRST_OF_ALL
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("split"),
        stores=stores_folder,
        rule=split_rule,
    message:
        "Splitting {wildcards.dataset}"
    shell:
        "python -m leignn split --dataset {wildcards.dataset:q}"
        " --stores {params.stores:q} --output {output.splits:q} > {log:q} 2>&1"
