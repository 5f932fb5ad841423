# metrics → tables, figures, page


rule build_table:
    input:
        metrics=table_metrics,
        published="config/published/{table}.csv",
    output:
        csv=report(
            "results/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        markdown="results/{table}.md",
        latex="results/{table}.tex",
    log:
        "logs/build_table/{table}.log",
    benchmark:
        "logs/benchmarks/build_table/{table}.tsv"
    conda:
        "../envs/report.yaml"
    params:
        caption=table_caption,
    message:
        "Building {wildcards.table}"
    shell:
        "python -m leignn build-table --table {wildcards.table} --published {input.published}"
        " --metrics {input.metrics} --output {output.csv} > {log} 2>&1"


rule plot_learning_curves:
    input:
        metrics=run_files(TABLES + MD_TABLES, "metrics.json"),
        logs=run_files(TABLES + MD_TABLES, "log.csv"),
    output:
        report(
            "results/learning_curves.svg",
            caption="../report/learning_curves.rst",
            category="Figures",
            labels={"figure": "learning curves"},
        ),
    log:
        "logs/plot_learning_curves.log",
    benchmark:
        "logs/benchmarks/plot_learning_curves.tsv"
    conda:
        "../envs/report.yaml"
    params:
        runs=run_folders(TABLES + MD_TABLES),
    message:
        "Plotting learning curves"
    shell:
        "python -m leignn plot-learning-curves --runs {params.runs} --output {output}"
        " > {log} 2>&1"


rule render_page:
    input:
        claims="results/claims.csv",
        tables=expand("results/{table}.csv", table=CLAIMED),
        figures=expand("results/{figure}.svg", figure=FIGURES),
        metrics=run_files(TABLES + MD_TABLES, "metrics.json"),
        logs=run_files(TABLES + MD_TABLES, "log.csv"),
    output:
        report(
            "results/index.html",
            caption="../report/page.rst",
            category="Scorecard",
            labels={"table": "the whole page"},
        ),
    log:
        "logs/render_page.log",
    benchmark:
        "logs/benchmarks/render_page.tsv"
    conda:
        "../envs/report.yaml"
    params:
        runs=run_folders(TABLES + MD_TABLES),
    message:
        "Rendering the page {output}"
    shell:
        "python -m leignn render-page --claims {input.claims} --tables {input.tables}"
        " --figures {input.figures} --runs {params.runs} --output {output} > {log} 2>&1"
