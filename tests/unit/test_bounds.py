"""Every number of every configuration of ours has bounds: a slip is one line, not all memory.

Values are tried on every field of the dataclasses and on every argument of the classes that YAML
reaches, so that a new option without bounds fails here.
"""

import dataclasses
import inspect
import math
from argparse import Namespace
from unittest import mock

import pytest
import torch
import yaml
from espnet2.asr.espnet_model import ESPnetASRModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import training_args

from speechmoe_espnet.augment.variation_options import VariationOptions
from speechmoe_espnet.data.fbank_config import FbankConfig
from speechmoe_espnet.decode.config import OPTIONS, DecodeConfig
from speechmoe_espnet.encoder.conformer import ConformerOptions
from speechmoe_espnet.encoder.dfsmn import DFSMNOptions, MemoryOptions
from speechmoe_espnet.encoder.speechmoe_conformer import SpeechMoEConformerEncoder
from speechmoe_espnet.encoder.speechmoe_encoder import SpeechMoEEncoder
from speechmoe_espnet.espnet.model import SpeechMoEASRModel
from speechmoe_espnet.espnet.task import SpeechMoEASRTask
from speechmoe_espnet.grids.grid_file import _check_seeds
from speechmoe_espnet.moe import MoEOptions

NUMBERS = (int, float, int | None, float | None)
HUGE = (10**9 + 1, 2**63, 10**30, 1e300, math.inf, -math.inf, math.nan, -(10**9) - 1, -1e300)
ANY = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def fields_of(options):
    return [f.name for f in dataclasses.fields(options) if f.type in NUMBERS]


def arguments_of(class_):
    parameters = inspect.signature(class_).parameters.values()
    return [p.name for p in parameters if p.annotation in NUMBERS and p.name != "input_size"]


def from_yaml(tmp_path, options, **values):
    """As a file of the user, where the class reads one."""
    path = tmp_path / "conf.yaml"
    path.write_text(yaml.safe_dump(values))
    return options.from_yaml(path)


def encoder(class_, **conf):
    with torch.device("meta"):
        return class_(40, **conf)


def model(**conf):
    """Our part of the model, without ESPnet's."""
    with mock.patch.object(ESPnetASRModel, "__init__", nothing):
        SpeechMoEASRModel(**conf)


def nothing(self, **_):
    torch.nn.Module.__init__(self)
    self.encoder = None


def readers(tmp_path):
    """Name of each option, and what reads a value of it."""
    for name in fields_of(FbankConfig):
        yield f"fbank {name}", lambda v, n=name: from_yaml(tmp_path, FbankConfig, **{n: v})
    for name in fields_of(VariationOptions):
        yield f"specaug {name}", lambda v, n=name: VariationOptions.from_conf({n: v})
    for method, names in OPTIONS.items():
        for name in {"batch_frames", *names} & set(fields_of(DecodeConfig)):
            more = {"use_ngram": True} if method == "ctc_prefix_beam" else {}
            yield (
                f"decode {method} {name}",
                lambda v, n=name, m={"method": method, **more}: from_yaml(
                    tmp_path, DecodeConfig, **m, **{n: v}
                ),
            )
    for options in (MoEOptions, MemoryOptions, DFSMNOptions, ConformerOptions):
        for name in fields_of(options):
            yield f"{options.__name__} {name}", lambda v, n=name, o=options: o(**{n: v})
    for class_ in (SpeechMoEEncoder, SpeechMoEConformerEncoder):
        for name in arguments_of(class_):
            more = {"input_layer": "linear"} if class_ is SpeechMoEConformerEncoder else {}
            yield (
                f"{class_.__name__} {name}",
                lambda v, n=name, c=class_, m=more: encoder(c, **m, **{n: v}),
            )
        for name in fields_of(MoEOptions):
            yield (
                f"{class_.__name__} moe_conf {name}",
                lambda v, n=name, c=class_: encoder(c, moe_conf={n: v}),
            )
    for name in arguments_of(SpeechMoEASRModel):
        yield f"model_conf {name}", lambda v, n=name: model(**{n: v})
    for name in ("alpha_schedule", "beta_schedule"):
        yield f"{name} step", lambda v, n=name: model(**{n: [[v, 1.0]]})
        yield f"{name} factor", lambda v, n=name: model(**{n: [[0, v]]})
    yield "grid seeds", lambda v: _check_seeds([v], "seeds")


def test_every_room_has_options(tmp_path):
    names = [name for name, _ in readers(tmp_path)]
    assert len(names) == len(set(names)) > 100


@pytest.mark.parametrize("value", HUGE)
def test_huge_and_odd_numbers_are_one_line(tmp_path, value):
    wrong = {}
    for name, read in readers(tmp_path):
        try:
            read(value)
        except ValueError as error:
            option = name.split()[0 if "schedule" in name else -1]
            if "\n" in str(error) or option not in str(error):
                wrong[name] = str(error)
        except Exception as error:
            wrong[name] = repr(error)
        else:
            wrong[name] = "accepted"
    if value == 10**9 + 1:  # such a seed is as good as any
        for name in ("model_conf expert_init_seed", "grid seeds"):
            assert wrong.pop(name) == "accepted"
    assert wrong == {}


@pytest.mark.parametrize("value", ["1e9", True, [1], {"a": 1}, ""])
def test_what_is_no_number_is_one_line(tmp_path, value):
    for name, read in readers(tmp_path):
        with pytest.raises(ValueError, match=r".") as error:
            read(value)
        assert "\n" not in str(error.value), name


@pytest.fixture(scope="module")
def arguments():
    return training_args()


@ANY
@given(
    conf=st.fixed_dictionaries(
        {},
        optional={
            "output_size": st.sampled_from([16, 4096, 16384]),
            "linear_units": st.sampled_from([16, 131072]),
            "num_blocks": st.sampled_from([1, 10, 1000]),
            "attention_every": st.sampled_from([0, 1]),
            "moe_conf": st.builds(lambda n: {"num_experts": n}, st.sampled_from([2, 64, 4096])),
        },
    )
)
def test_options_that_are_too_large_together_are_one_line(arguments, conf, monkeypatch):
    """Nothing is allocated: a model that would not fit is refused before it is built."""
    monkeypatch.setattr("speechmoe_espnet.espnet.task_base.total_bytes", lambda: 2**20)
    built = []
    monkeypatch.setattr(
        "espnet2.tasks.asr.ASRTask.build_model", classmethod(lambda cls, args: built.append(args))
    )
    conf = {"embedding_conf": {"num_blocks": 1}, **conf}
    conf["num_blocks"] = min(conf.get("num_blocks", 1), 10)
    args = Namespace(**{**vars(arguments), "encoder_conf": conf})
    with torch.device("meta"):
        wanted = SpeechMoEEncoder(40, **args.encoder_conf)
    size = sum(4 * value.numel() for value in wanted.state_dict().values())
    if size > 2**20:
        with pytest.raises(ValueError, match=r"the parameters take .* GiB, but this machine has"):
            SpeechMoEASRTask.build_model(args)
        assert not built
    else:
        SpeechMoEASRTask.build_model(args)
        assert built
