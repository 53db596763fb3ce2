"""A transcriber by the name of its model: run by PyTorch, or an exported one by onnxruntime."""

from pathlib import Path

import torch

from speechmoe_espnet.decode.config import DecodeConfig
from speechmoe_espnet.espnet.known_noise import without_known_noise
from speechmoe_espnet.inference.speech_finder import SpeechFinder
from speechmoe_espnet.inference.transcription import Transcriber

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
    graph = {} if graph_dir is None else {"graph_dir": graph_dir}
    with without_known_noise():
        from speechmoe_espnet.inference.speech2text import Speech2Text

        model = Speech2Text.from_pretrained(name, device="cuda" if num_gpus else "cpu", **graph)
    return model.transcriber(config, find_speech)


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
