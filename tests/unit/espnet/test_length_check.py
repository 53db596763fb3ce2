import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import TOKENS, training_args

from speechmoe_espnet.espnet.length_check import check_lengths


@pytest.fixture
def shapes(tmp_path):
    def write(speech, text):
        files = []
        for name, lengths in (("speech", speech), ("text", text)):
            path = tmp_path / f"{name}_shape"
            path.write_text("".join(f"{utt} {shape}\n" for utt, shape in lengths.items()))
            files.append(str(path))
        return files

    return write


DATA = [("feats.scp", "speech", "kaldi_ark"), ("text", "text", "text")]


def args_for(files, encoder="speechmoe", part="train", data=DATA, **overrides):
    named = {f"{part}_shape_file": files, f"{part}_data_path_and_name_and_type": data}
    return training_args(encoder, **named, **overrides)


def test_utterances_with_fewer_frames_than_labels_are_named(shapes):
    files = shapes({"long": "90,40", "short": "29,40"}, {"long": "30,13", "short": "11,13"})
    with pytest.raises(ValueError, match=r"1 of 2 utterances .* short \(10 frames .* 11 labels\)"):
        check_lengths(args_for(files))


def test_exactly_enough_frames_pass(shapes):
    files = shapes({"utt": "30,40"}, {"utt": "10,13"})
    check_lengths(args_for(files))


def test_convolutions_need_more_frames(shapes):
    files = shapes({"utt": "6,40"}, {"utt": "1,13"})
    check_lengths(args_for(files))
    with pytest.raises(ValueError, match=r"utt \(0 frames after subsampling, 1 labels\)"):
        check_lengths(args_for(files, "speechmoe_conformer"))


def test_validation_data_are_checked_too(shapes):
    files = shapes({"utt": "3,40"}, {"utt": "5,13"})
    with pytest.raises(ValueError, match="too short"):
        check_lengths(args_for(files, part="valid"))


def test_shape_files_go_with_their_data_whatever_the_order(shapes):
    speech, text = shapes({"utt": "3,40"}, {"utt": "5,13"})
    with pytest.raises(ValueError, match="1 frames after subsampling, 5 labels"):
        check_lengths(args_for([text, speech], data=DATA[::-1]))


def test_waveforms_are_counted_in_hops(shapes):
    files = shapes({"utt": "16000"}, {"utt": "34"})
    frontend = {"input_size": None, "frontend": "default", "frontend_conf": {"hop_length": 160}}
    check_lengths(args_for(files, **frontend))
    files = shapes({"utt": "16000"}, {"utt": "35"})
    with pytest.raises(ValueError, match=r"34 frames after subsampling, 35 labels"):
        check_lengths(args_for(files, **frontend))


def test_utterances_must_be_long_enough_at_the_strongest_speed_up(shapes):
    variation = {"specaug": "vary", "specaug_conf": {"speed": [0.8, 1.25]}}
    # Of 37 frames 29 are left, of which the encoder keeps 10; of 34, 27 and 9.
    files = shapes({"just": "37,40", "short": "34,40"}, {"just": "10,13", "short": "10,13"})
    with pytest.raises(
        ValueError,
        match=r"1 of 2 .* short \(9 frames after speed-up and subsampling, 10 labels\); .*"
        r"lower encoder_conf: subsampling or specaug_conf: speed",
    ):
        check_lengths(args_for(files, **variation))
    check_lengths(args_for(files, specaug="vary", specaug_conf={"speed": [0.8, 1.0]}))
    check_lengths(args_for(files, specaug="vary", specaug_conf={"noise_snr": [0, 20]}))
    check_lengths(args_for(files, part="valid", **variation))
    check_lengths(args_for(files, specaug="specaug", specaug_conf={"time_mask_width_range": 5}))


def test_many_are_counted_and_ten_are_shown(shapes):
    utterances = [f"utt{i:02d}" for i in range(25)]
    files = shapes(dict.fromkeys(utterances, "3,40"), dict.fromkeys(utterances, "9,13"))
    with pytest.raises(ValueError, match=r"25 of 25 .* and 15 more"):
        check_lengths(args_for(files))


@pytest.mark.parametrize(
    ("encoder", "frontend", "named"),
    [("conformer", {}, "encoder conformer"), ("speechmoe", {"input_size": None}, "frontend s3prl")],
)
def test_what_is_not_checked_is_said(shapes, caplog, encoder, frontend, named):
    files = shapes({"utt": "3,40"}, {"utt": "9,13"})
    check_lengths(args_for(files, encoder, frontend="s3prl", **frontend))
    (message,) = caplog.messages
    assert message.startswith(f"lengths are not checked: {named} is n")


def characters(utt, data):
    return {"text": np.array([TOKENS.index(c) if c in TOKENS else 1 for c in data["text"]])}


def test_a_blank_between_equal_labels_needs_a_frame(shapes, tmp_path):
    path = tmp_path / "text"
    path.write_text(f"equal {'一' * 24}\nother {'一二' * 12}\nunknown {'甲乙' * 12}\n")
    data = [DATA[0], (str(path), "text", "text")]
    labels = dict.fromkeys(["equal", "other", "unknown"], "24,13")
    frames = {"equal": f"{3 * 46},40", "other": f"{3 * 24},40", "unknown": f"{3 * 46},40"}
    files = shapes(frames, labels)
    with pytest.raises(ValueError, match=r"2 of 3 .*equal \(46 .*, 24 labels, 23 of them as"):
        check_lengths(args_for(files, data=data), lambda: characters)
    files = shapes({**frames, "equal": f"{3 * 47},40", "unknown": f"{3 * 47},40"}, labels)
    check_lengths(args_for(files, data=data), lambda: characters)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.lists(st.sampled_from("一二三"), min_size=1, max_size=12), frames=st.integers(1, 24)
)
def test_what_is_refused_is_what_ctc_cannot_align(tmp_path, labels, frames):
    ids = torch.tensor([[TOKENS.index(label) for label in labels]])
    loss = torch.nn.functional.ctc_loss(
        torch.zeros(frames, 1, len(TOKENS)).log_softmax(2), ids, [frames], [len(labels)]
    )
    for kind, text in (
        ("text", "".join(labels)),
        ("text_int", " ".join(map(str, ids[0].tolist()))),
    ):
        (tmp_path / "text").write_text(f"utt {text}\n")
        (tmp_path / "speech_shape").write_text(f"utt {3 * frames},40\n")
        (tmp_path / "text_shape").write_text(f"utt {len(labels)},13\n")
        data = [DATA[0], (str(tmp_path / "text"), "text", kind)]
        files = [str(tmp_path / "speech_shape"), str(tmp_path / "text_shape")]
        args = args_for(files, data=data)
        if loss.isinf():
            with pytest.raises(ValueError, match="too short for CTC"):
                check_lengths(args, lambda: characters)
        else:
            check_lengths(args, lambda: characters)
