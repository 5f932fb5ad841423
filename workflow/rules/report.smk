# metrics, observables → tables; tables, figures → claims, page


rule build_table:
    input:
        declaration=table_declaration,
        published=table_published,
        metrics=table_metrics,
        observables=table_observables,
    output:
        csv=report(
            f"{RESULTS}/{{table}}.csv",
            caption="../report/caption.rst",
            category=table_category,
            labels=table_title,
        ),
        markdown=f"{RESULTS}/{{table}}.md",
        latex=f"{RESULTS}/{{table}}.tex",
    log:
        f"{LOGS}/build_table/{{table}}.log",
    benchmark:
        f"{BENCHMARKS}/build_table/{{table}}.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("build-table"),
    message:
        "Building {wildcards.table}"
    shell:
        "python -m leignn build-table --declaration {input.declaration:q}"
        " --published {input.published:q} --metrics {input.metrics:q}"
        " --observables {input.observables:q} --output {output.csv:q} > {log:q} 2>&1"


rule check_claims:
    input:
        claims=local(config_file("published/claims.yaml")),
        declarations=declarations(PLAN.claimed),
        tables=expand(f"{RESULTS}/{{table}}.csv", table=PLAN.claimed),
    output:
        shown(f"{RESULTS}/claims.csv"),
    log:
        f"{LOGS}/check_claims.log",
    benchmark:
        f"{BENCHMARKS}/check_claims.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("check-claims"),
    message:
        "Holding the paper's claims against the tables"
    shell:
        "python -m leignn check-claims --claims {input.claims:q}"
        " --declarations {input.declarations:q} --tables {input.tables:q}"
        " --output {output:q} > {log:q} 2>&1"


rule render_page:
    input:
        declarations=declarations(PLAN.results),
        tables=expand(f"{RESULTS}/{{table}}.csv", table=PLAN.tables),
        figures=expand(f"{RESULTS}/{{figure}}.svg", figure=PLAN.figures),
        metrics=PLAN.run_files(PLAN.with_runs, "metrics.json"),
        logs=PLAN.run_files(PLAN.with_runs, "log.csv"),
        records=PLAN.run_files(PLAN.with_runs, "provenance.json"),
        templates=local(
            expand(
                f"{LIBRARY}/leignn/report/page/{{part}}.j2",
                part=["page.html", "style.css", "script.js"],
            )
        ),
    output:
        shown(f"{RESULTS}/index.html"),
    log:
        f"{LOGS}/render_page.log",
    benchmark:
        f"{BENCHMARKS}/render_page.tsv"
    localrule: True
    conda:
        "../envs/light.yaml"
    params:
        code=PLAN.code("render-page"),
        folder=subpath(output[0], parent=True),
        runs=run_folders,
    message:
        "Rendering the page {output}"
    shell:
        "python -m leignn render-page --declarations {input.declarations:q}"
        " --folder {params.folder:q} --runs {params.runs:q} --output {output:q} > {log:q} 2>&1"
