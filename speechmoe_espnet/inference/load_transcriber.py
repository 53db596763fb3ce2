"""A transcriber by the name of its model: run by PyTorch, or an exported one by onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from speechmoe_espnet.decode.config import ESPNET_JOINT, DecodeConfig
from speechmoe_espnet.espnet.experiment_config import load_config, sample_rate
from speechmoe_espnet.espnet.known_noise import without_known_noise
from speechmoe_espnet.inference.experiment import check_config
from speechmoe_espnet.inference.model_files import model_features, model_files, word_search
from speechmoe_espnet.inference.recognizer import make_recognizer
from speechmoe_espnet.inference.speech_finder import SpeechFinder
from speechmoe_espnet.inference.transcription import Transcriber
from speechmoe_espnet.zoo.packed_model import CHECKPOINT_KEY, CONFIG_KEY

ONNX = ".onnx"


def load_transcriber(
    name: str,
    config: DecodeConfig | None,
    find_speech: SpeechFinder,
    *,
    graph_dir: Path | None = None,
    num_gpus: int = 0,
    num_threads: int = 0,
) -> Transcriber:
    """Load a model.

    Args:
        name: Packed model (folder, zip, name, OWNER/NAME of the Hub), experiment, or .onnx file.
        config: The search; None: that of the graph if there is one, else the fast one.
        find_speech: Finds speech.
        graph_dir: Decoding graph in place of the model's.
        num_gpus: 0 or 1.
        num_threads: Number of threads; 0: as the libraries choose.

    Raises:
        FileNotFoundError: The model or a file of its search does not exist.
        ValueError: The model is damaged, the search does not fit it, or there is no GPU.
    """
    if num_threads:
        torch.set_num_threads(num_threads)
    if name.endswith(ONNX):
        return _of_onnx(name, config, find_speech, graph_dir, num_gpus, num_threads)
    if num_gpus and not torch.cuda.is_available():
        raise ValueError(f"--ngpu {num_gpus}: torch finds no GPU here; use --ngpu 0")
    device = "cuda" if num_gpus else "cpu"
    files = model_files(name) | ({} if graph_dir is None else {"graph_dir": graph_dir})
    is_joint = config is not None and config.method == ESPNET_JOINT
    conf = load_config(files[CONFIG_KEY])
    check_config(conf, files[CONFIG_KEY])
    with without_known_noise():
        from speechmoe_espnet.inference.ctc_model import is_plain

        if is_plain(conf) and not is_joint:
            return _of_plain(files, conf, config, find_speech, device)
        from speechmoe_espnet.inference.speech2text import Speech2Text

        model = Speech2Text(**files, device=device)
    return model.transcriber(config, find_speech)


def _of_plain(
    files: Mapping[str, Path],
    conf: dict[str, Any],
    config: DecodeConfig | None,
    find_speech: SpeechFinder,
    device: str,
) -> Transcriber:
    """Load a model that needs nothing of ESPnet's task, whose import takes seconds."""
    from speechmoe_espnet.inference.ctc_model import load_ctc_model

    model = load_ctc_model(conf, files[CHECKPOINT_KEY], device)
    fbank = model_features(conf, files[CONFIG_KEY])
    search = files.get("graph_dir"), files.get("decode_config"), files.get("tuning")
    used = config or word_search(*search) or DecodeConfig.fast()
    return Transcriber(
        make_recognizer(
            model,
            conf,
            used,
            device=device,
            graph_dir=files.get("graph_dir") if used.needs_graph else None,
        ),
        sample_rate=fbank.sample_frequency if model.frontend is None else sample_rate(conf),
        fbank=fbank if model.frontend is None else None,
        find_speech=find_speech,
        batch_frames=(config or DecodeConfig()).batch_frames,
    )


def _of_onnx(
    name: str,
    config: DecodeConfig | None,
    find_speech: SpeechFinder,
    graph_dir: Path | None,
    num_gpus: int,
    num_threads: int,
) -> Transcriber:
    from speechmoe_espnet.inference.onnx_model import load_onnx, transcriber_of_onnx

    if num_gpus:
        raise ValueError(f"--ngpu {num_gpus}: an exported model runs on the CPU; use --ngpu 0")
    config = config or DecodeConfig.fast(graph_dir)
    recognizer, metadata = load_onnx(
        Path(name), config, num_threads=num_threads or 1, graph_dir=graph_dir
    )
    return transcriber_of_onnx(name, recognizer, metadata, find_speech, config.batch_frames)
