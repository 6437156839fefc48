"""One small program per package; none of them knows what runs its model.

Each returns what the package computed, as arrays and texts by name. Packages are imported inside, because they import
onnxruntime, and that is what is exchanged.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .models import conv_network, noise_picture, picture_of_text, sound, text_encoder

Results: TypeAlias = dict[str, Any]


def rapidocr_onnxruntime(folder: Path) -> Results:
    """Detection, classification and recognition models of its own."""
    from rapidocr_onnxruntime import RapidOCR

    found, _ = RapidOCR()(picture_of_text())
    assert found
    return {"text": found[0][1], "box": np.array(found[0][0]), "score": np.array(float(found[0][2]))}


def rapidocr(folder: Path) -> Results:
    """Detection, classification and recognition models of its own."""
    from rapidocr import RapidOCR

    found = RapidOCR()(picture_of_text())
    return {"text": found.txts[0], "box": found.boxes[0], "score": np.array(found.scores[0])}


def silero_vad(folder: Path) -> Results:
    """A recurrent model of its own, fed piece by piece with its state."""
    import torch
    from silero_vad import load_silero_vad

    model = load_silero_vad(onnx=True)
    pieces = torch.from_numpy(sound()[: 512 * 20]).reshape(20, 512)
    return {"probability": np.array([float(model(piece, 16000)) for piece in pieces])}


def faster_whisper(folder: Path) -> Results:
    """Its voice activity detector, with a model of its own."""
    from faster_whisper.vad import get_vad_model

    return {"probability": np.asarray(get_vad_model()(sound()[: 512 * 20]))}


def magika(folder: Path) -> Results:
    """A model of its own, fed with nested lists."""
    from magika import Magika

    code = b"import os\n\ndef main():\n    print(os.getcwd())\n"
    texts = {"python": code * 20, "html": b"<html><p>x</p></html>" * 20}
    model = Magika()
    found = {name: model.identify_bytes(text) for name, text in texts.items()}
    scores = {f"{name} score": np.array(result.score) for name, result in found.items()}
    return {**{name: str(result.output.label) for name, result in found.items()}, **scores}


def piper(folder: Path) -> Results:
    """Its diacritizers for Arabic and Hebrew, with models of its own."""
    from piper.tashkeel import TashkeelDiacritizer

    return {"arabic": TashkeelDiacritizer()("مرحبا بالعالم")}


def ultralytics(folder: Path) -> Results:
    """A YOLO of random weights, exported by the package; its backend reads class names from the metadata."""
    os.environ["YOLO_AUTOINSTALL"] = "false"
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.autobackend import AutoBackend

    path = folder / "yolo.onnx"
    if not path.exists():
        torch.manual_seed(0)
        os.chdir(folder)
        exported = YOLO("yolov8n.yaml").export(format="onnx", imgsz=64, simplify=False, dynamic=True, opset=17)
        Path(exported).rename(path)
    model = AutoBackend(str(path), device=torch.device("cpu"))
    image = torch.from_numpy(noise_picture(64, 96).copy()).permute(2, 0, 1)[None].float() / 255
    return {"predictions": model(image).numpy(), "stride": np.array(int(model.stride)), "first class": model.names[0]}


def rembg(folder: Path) -> Results:
    """Background removal with a model of the user's."""
    os.environ["U2NET_HOME"] = str(folder)  # where models of the user's must be
    from PIL import Image
    from rembg import new_session, remove

    path = conv_network(folder / "u2net.onnx", ["batch", 3, 320, 320], is_map=True)
    session = new_session("u2net_custom", model_path=str(path))
    image = Image.fromarray(noise_picture())
    return {"mask": np.asarray(remove(image, session=session, only_mask=True))}


def optimum(folder: Path) -> Results:
    """``ORTModelForImageClassification``, with and without binding tensors of PyTorch to inputs and outputs."""
    import torch
    from optimum.onnxruntime import ORTModelForImageClassification
    from transformers import ResNetConfig

    config = ResNetConfig(hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1], num_labels=5, embedding_size=8)
    config.architectures = ["ResNetForImageClassification"]
    config.save_pretrained(folder)
    path = conv_network(folder / "model.onnx", ["batch_size", 3, 64, 64], [[5]])
    import onnx

    model = onnx.load(path)
    for node in model.graph.node:
        node.input[:] = ["pixel_values" if name == "input" else name for name in node.input]
        node.output[:] = ["logits" if name == "output0" else name for name in node.output]
    model.graph.input[0].name, model.graph.output[0].name = "pixel_values", "logits"
    onnx.save(model, path)
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32))
    found = {}
    for binds in (False, True):
        classifier = ORTModelForImageClassification.from_pretrained(folder, use_io_binding=binds)
        found[f"logits, binding {binds}"] = classifier(pixel_values=images).logits.numpy()
    return found


def fastembed(folder: Path) -> Results:
    """Embeddings of texts by a model of the user's."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"[PAD]": 0, "[UNK]": 1, "sparse": 2, "networks": 3, "are": 4, "fast": 5}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"pad_token_id": 0}')
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 32, "pad_token": "[PAD]"}')
    (folder / "special_tokens_map.json").write_text('{"pad_token": "[PAD]"}')
    text_encoder(folder / "model.onnx", len(words))
    TextEmbedding.add_custom_model(
        "tests/tiny", PoolingType.MEAN, True, ModelSource(hf="tests/tiny"), 16, model_file="model.onnx"
    )
    model = TextEmbedding("tests/tiny", specific_model_path=str(folder))
    return {"embeddings": np.array(list(model.embed(["sparse networks are fast", "fast networks"])))}


def insightface(folder: Path) -> Results:
    """A face embedding by a model of the user's; its session subclass pickles itself."""
    from insightface.model_zoo import get_model

    path = conv_network(folder / "arcface.onnx", ["None", 3, 112, 112], [[64]])
    model = get_model(str(path), providers=["CPUExecutionProvider"])
    session = copy.deepcopy(model.session)  # by what pickling goes by
    name = session.get_inputs()[0].name
    again = session.run(None, {name: np.ones((1, 3, 112, 112), np.float32)})[0]
    return {"embedding": model.get_feat(noise_picture(112, 112)), "after pickling": again}


def onnxtr(folder: Path) -> Results:
    """Page orientation by a model of the user's."""
    from onnxtr.models.classification import mobilenet_v3_small_crop_orientation

    path = conv_network(folder / "orientation.onnx", ["batch_size", 3, 256, 256], [[4]])
    model = mobilenet_v3_small_crop_orientation(str(path))
    images = np.random.default_rng(0).standard_normal((2, 3, 256, 256)).astype(np.float32)
    return {"classes": np.asarray(model(images))}


def rtmlib(folder: Path) -> Results:
    """Key points of a body by a model of the user's."""
    from rtmlib import RTMPose

    path = conv_network(folder / "pose.onnx", ["batch", 3, 256, 192], [[17, 384], [17, 512]])
    model = RTMPose(str(path), model_input_size=(192, 256), backend="onnxruntime", device="cpu")
    points, scores = model(noise_picture())
    return {"points": points, "scores": scores}


PROGRAMS: dict[str, Callable[[Path], Results]] = {
    program.__name__: program
    for program in (
        rapidocr_onnxruntime, rapidocr, silero_vad, faster_whisper, magika, piper, ultralytics, rembg, optimum,
        fastembed, insightface, onnxtr, rtmlib,
    )
}  # fmt: skip
