"""Plan of the main job: systems, names and inputs of the report."""

import pytest

from speechmoe_espnet.corpora.synthetic.presets import STYLES
from speechmoe_espnet.recipe.main_job import plan_main_job
from speechmoe_espnet.recipe.training_args import MAIN_JOB_ARGS

RECIPE = "egs/mix/asr1"


def test_two_systems_are_compared_on_all_styles() -> None:
    found = plan_main_job(RECIPE, "small", "greedy", 0, 0)
    assert found["systems"] == ["static", "speechmoe"]
    assert found["sets"] == list(STYLES)
    assert found["report"] == "exp/report"
    exp = f"{RECIPE}/exp/synthetic"
    assert found["report_systems"] == [
        f"--system=static={exp}/static",
        f"--system=speechmoe={exp}/speechmoe",
    ]
    decoded = f"{exp}/static/decode_ctc_greedy"
    assert found["report_inputs"][:3] == [f"{exp}/static", decoded, f"{decoded}/read/score"]
    assert len(found["report_inputs"]) == 2 * (2 + len(STYLES))
    assert found["data_dir"] == f"{RECIPE}/data/synthetic"


@pytest.mark.parametrize(
    ("preset", "decoding"), [("tiny", "wfst_narrow"), ("small", "wfst"), ("medium", "wfst")]
)
def test_searches_have_reports_of_their_own(preset: str, decoding: str) -> None:
    found = plan_main_job(RECIPE, preset, "wfst", 1, 0)
    assert (found["report"], found["suffix"]) == ("exp/report_wfst", "_wfst")
    assert found["decoding"] == decoding
    corpus = "synthetic_seed1" if preset == "small" else f"synthetic_{preset}_seed1"
    experiment = f"{RECIPE}/exp/{corpus}/speechmoe_wfst"
    assert f"{experiment}/decode_{decoding}/chat/score_ser" in found["report_inputs"]


@pytest.mark.parametrize("preset", MAIN_JOB_ARGS)
def test_presets_choose_configurations_and_arguments(preset: str) -> None:
    found = plan_main_job(RECIPE, preset, "greedy", 0, 0)
    assert found["configs"] == ("conf/train_large_" if preset == "large" else "conf/train_")
    assert found["asr_args"] == MAIN_JOB_ARGS[preset]


def test_the_large_job_trains_in_bfloat16_on_a_gpu() -> None:
    assert plan_main_job(RECIPE, "large", "greedy", 0, 1)["asr_args"] == "--use_amp true"
    assert plan_main_job(RECIPE, "small", "greedy", 0, 1)["asr_args"] == ""


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ValueError, match="--preset huge: is not one of tiny, small"):
        plan_main_job(RECIPE, "huge", "greedy", 0, 0)
