# metrics, observables → tables; tables, figures → claims, page


rule build_table:
    input:
        declaration=table_declaration,
        published=table_published,
        metrics=table_metrics,
        observables=table_observables,
    output:
        csv=report(
            "results/{table}.csv",
            caption="../report/caption.rst",
            category=table_category,
            labels=table_title,
        ),
        markdown="results/{table}.md",
        latex="results/{table}.tex",
    log:
        "logs/build_table/{table}.log",
    benchmark:
        "logs/benchmarks/build_table/{table}.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Building {wildcards.table}"
    shell:
        "python -m leignn build-table --declaration {input.declaration}"
        " --published {input.published} --metrics {input.metrics}"
        " --observables {input.observables} --output {output.csv} > {log} 2>&1"


rule check_claims:
    input:
        claims="config/published/claims.yaml",
        declarations=declarations(CLAIMED),
        tables=expand("results/{table}.csv", table=CLAIMED),
    output:
        shown("results/claims.csv"),
    log:
        "logs/check_claims.log",
    benchmark:
        "logs/benchmarks/check_claims.tsv"
    conda:
        "../envs/report.yaml"
    message:
        "Holding the paper's claims against the tables"
    shell:
        "python -m leignn check-claims --claims {input.claims}"
        " --declarations {input.declarations} --tables {input.tables}"
        " --output {output} > {log} 2>&1"


rule render_page:
    input:
        declarations=declarations(RESULTS),
        tables=expand("results/{table}.csv", table=TABLES),
        figures=expand("results/{figure}.svg", figure=FIGURES),
        metrics=run_files(WITH_RUNS, "metrics.json"),
        logs=run_files(WITH_RUNS, "log.csv"),
    output:
        shown("results/index.html"),
    log:
        "logs/render_page.log",
    benchmark:
        "logs/benchmarks/render_page.tsv"
    conda:
        "../envs/report.yaml"
    params:
        folder=subpath(output[0], parent=True),
        runs=run_folders(WITH_RUNS),
    message:
        "Rendering the page {output}"
    shell:
        "python -m leignn render-page --declarations {input.declarations}"
        " --folder {params.folder} --runs {params.runs} --output {output} > {log} 2>&1"
