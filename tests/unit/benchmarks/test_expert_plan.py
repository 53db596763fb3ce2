from pathlib import Path

import pytest

from benchmarks import expert_plan

PAGE = Path(__file__).parents[3] / "docs/explanation/expert_parallel.md"


def test_the_page_shows_what_the_command_prints(capsys):
    assert expert_plan.main([]) == 0
    begin, end = "<!-- python -m benchmarks.expert_plan -->\n", "<!-- end -->"
    text = PAGE.read_text(encoding="utf-8")
    assert text.split(begin)[1].split(end)[0] == capsys.readouterr().out


def test_formulas_by_hand():
    plan = expert_plan.Training(
        dense=100, experts=800, layers=3, num_experts=8, width=10, ranks=4, frames=40, top_k=2
    )
    assert plan.memory == 16 * (100 + 200)
    assert plan.all_reduce(plan.dense) == 2 * 0.75 * 100 * 4
    # 60 of 80 rows leave; each travels there and back, and so do gradients; 3 numbers of 2 experts.
    assert plan.exchange == 3 * (4 * 60 * 10 * 2 + 3 * 2 * 8)
    assert plan.message == 20 * 10 * 2
    assert plan.compute(6e-12 * 40) == 100 + 200


@pytest.mark.parametrize("options", [["--ranks", "1"], ["--experts", "65"]])
def test_ranks_must_divide_experts(options, capsys):
    assert expert_plan.main(options) == 1
    assert capsys.readouterr().err.startswith("expert_plan: error: --experts")
