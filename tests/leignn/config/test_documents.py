"""What is generated from the types is up to date, and the schemas accept what the types accept."""

import json

import jsonschema
import pytest

from leignn.config.base import load_yaml
from leignn.config.documents import documents
from leignn.resources import CONFIG


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(path) -> None:
    assert path.read_text(encoding="utf-8") == documents()[path], "run `make documents`"


KINDS = {"dataset": "datasets", "model": "models", "result": "results", "config": "scales"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_editor_accepts_the_files_that_ship_and_marks_a_wrong_key(kind) -> None:
    schema = json.loads((CONFIG / "schemas" / f"{kind}.schema.json").read_text())
    kind_of = jsonschema.validators.validator_for(schema)
    kind_of.check_schema(schema)
    for path in (CONFIG / KINDS[kind]).glob("*.yaml"):
        content = load_yaml(path)
        kind_of(schema).validate(content)
        with pytest.raises(jsonschema.ValidationError, match="colour"):
            kind_of(schema).validate(content | {"colour": "red"})


def test_an_editor_knows_the_keys_of_an_override() -> None:
    schema = json.loads((CONFIG / "schemas" / "config.schema.json").read_text())
    jsonschema.validate({"training": {"max_steps": 10}}, schema)
    with pytest.raises(jsonschema.ValidationError, match="learning_rat"):
        jsonschema.validate({"training": {"learning_rat": 1}}, schema)
