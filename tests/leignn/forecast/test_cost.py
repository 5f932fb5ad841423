"""From when a training may stop: by its schedule, against counts of evaluations by hand."""

import pytest

from leignn.forecast.cost import Costs
from leignn.forecast.jobs import Job
from leignn.forecast.timing import Timing
from leignn.plan import Plan


@pytest.mark.parametrize(
    ("schedule", "evaluations"),
    # Two cuts by a thousand after the first evaluation; at the end.
    [("plateau", 3), ("cosine", 5), ("linear", 5)],
)
def test_a_training_may_stop_at_its_lowest_rate(schedule, evaluations) -> None:
    training = {"schedule": schedule, "stop_at_lowest_rate": True, "plateau_factor": 1e-3}
    training |= {"plateau_patience": 0, "evaluate_every": 200, "max_steps": 1000}
    plan = Plan.of({"scale": "mini", "training": training})
    wildcards = {"dataset": "oc20_standin", "model": "leignn", "scale": "mini", "seed": "0"}
    timing = Timing(train=0.5, predict=0.0, load=0.0, dynamics=None, at_once=8)
    costs = Costs(plan, {("oc20_standin", "leignn"): timing}, cores=1)
    found = costs.of(Job("train_model", wildcards, (), ())).seconds
    assert (found.least, found.most) == (100.0 * evaluations, 500.0)
