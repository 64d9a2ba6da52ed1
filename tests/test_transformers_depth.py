"""Depth models of the transformers library: as coarse networks, and in front of our refiner (`--base`)."""

import json
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

transformers = pytest.importorskip("transformers")

import tiny_transformers as tiny  # noqa: E402
from hyperfocal import checkpoints  # noqa: E402
from hyperfocal.checkpoints import ModelConfig  # noqa: E402
from hyperfocal.cli import app  # noqa: E402
from hyperfocal.coarse import DepthPro, TransformersDepth, make  # noqa: E402
from hyperfocal.coarse.depth_anything_v2 import DepthAnythingV2  # noqa: E402
from hyperfocal.coarse.dpt import Decoder  # noqa: E402
from hyperfocal.errors import HyperfocalError  # noqa: E402
from hyperfocal.external import ExternalBase, aligned  # noqa: E402
from hyperfocal.tiles.tiling import Tiling  # noqa: E402
from tiny_model import CONFIG, tiny_model, write_tiny_model  # noqa: E402

METRIC = {name: getattr(tiny, name)() for name in ("depth_anything", "zoedepth", "glpn", "depth_pro")}
SIZES = {"depth_anything": (56, 70), "zoedepth": (64, 96), "glpn": (64, 96), "depth_pro": (128, 128)}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    configs = {**METRIC, "relative": tiny.depth_anything("relative"), "dpt": tiny.dpt()}
    return {name: tiny.write(folder / name, config) for name, config in configs.items()}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def photo(tmp_path):
    rows, columns = np.mgrid[:80, :120]
    pixels = np.stack((rows * 3, columns * 2, (rows // 8 + columns // 8) % 2 * 200), 2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


# as coarse networks


@pytest.mark.parametrize("name", METRIC)
def test_a_loaded_model_gives_the_librarys_own_depth_and_maps(models, name):
    network = TransformersDepth.from_pretrained(models[name])
    size = SIZES[name]
    image = torch.rand(2, 3, *size)
    with torch.inference_mode():
        depth, features = network(image)
        processor = transformers.AutoImageProcessor.from_pretrained(models[name])
        pixels = (image - 0.5) / 0.5 if processor.do_normalize else image
        output = network.net(pixel_values=pixels)
    if name == "depth_pro":
        expected = processor.post_process_depth_estimation(output, [size] * 2)
        expected = torch.stack([e["predicted_depth"] for e in expected])
    else:
        expected = output.predicted_depth
    torch.testing.assert_close(depth[:, 0], expected, rtol=1e-4, atol=1e-5)
    assert depth.std() > 0
    assert tuple(f.shape[1] for f in features) == network.feature_channels
    assert [tuple(f.shape[2:]) for f in features] == network.feature_sizes(*size)
    assert len(features) == (0 if name == "glpn" else 6)


@pytest.mark.parametrize("name", METRIC)
def test_any_size_is_taken(name):
    network = make({"kind": "transformers", "config": METRIC[name]}).eval()
    with torch.inference_mode():
        depth, features = network(torch.rand(1, 3, 50, 83))
    assert depth.shape == (1, 1, 50, 83)
    assert [tuple(f.shape[2:]) for f in features] == network.feature_sizes(50, 83)


def test_no_hook_stays_behind():
    network = make({"kind": "transformers", "config": METRIC["depth_anything"]}).eval()
    with torch.inference_mode():
        network(torch.rand(1, 3, 28, 28))
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_a_model_directory_holds_all_of_it(models, tmp_path):
    network = TransformersDepth.from_pretrained(models["zoedepth"])
    config = ModelConfig(
        **{
            **asdict(CONFIG),
            "coarse": {"kind": "transformers", "config": json.loads(network.net.config.to_json_string())},
            "refiner": None,
        }
    )
    network.mean = network.std = (0.5, 0.5, 0.5)
    config.coarse.update(mean=network.mean, std=network.std)
    checkpoints.save(tmp_path / "model", config, network, None)
    _, again, _ = checkpoints.load(tmp_path / "model")
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(again(image).depth, network(image).depth)


def test_depth_pro_is_the_published_size():
    with torch.device("meta"):
        network = make({"kind": "depth_pro"})
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(952, abs=0.5)  # the paper's
    assert network.feature_sizes(768, 1024) == [(1536 // s, 1536 // s) for s in (32, 16, 8, 4, 2, 1)]
    assert DepthPro(tiny.DEPTH_PRO).feature_channels == (16, 16, 16, 16, 16, 32)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (tiny.depth_anything("relative"), "predicts relative depth"),
        (tiny.dpt(), "predicts relative depth"),
        ({"model_type": "chmv2"}, "height of trees"),
        ({"model_type": "prompt_depth_anything"}, "as a prompt"),
        ({**tiny.depth_pro(), "use_fov_model": False}, "field of view"),
        ({"model_type": "bert"}, "is no depth model"),
        ({"model_type": "no_such"}, "no such depth model"),
        ({}, "no such depth model"),
    ],
)
def test_what_predicts_no_metres_is_refused_in_one_line(config, reason):
    with pytest.raises(HyperfocalError, match=reason) as error, torch.device("meta"):
        TransformersDepth(config)
    assert "\n" not in str(error.value)


class Taps(nn.Module):
    def __init__(self, taps):
        super().__init__()
        self.taps = taps

    def forward(self, image):
        return self.taps


def test_our_depth_anything_v2_decodes_as_the_librarys(models):
    theirs = transformers.AutoModelForDepthEstimation.from_pretrained(models["depth_anything"]).eval()
    network = DepthAnythingV2(width=16)
    ours = network.decoder = Decoder(32, (32, 24, 16, 8), 16)
    resizes = theirs.neck.reassemble_stage.layers
    for i in range(4):
        low, block = 3 - i, ours.blocks[i]
        fusion = theirs.neck.fusion_stage.layers[i]
        ours.reassemble[i][0].load_state_dict(resizes[low].projection.state_dict())
        ours.reassemble[i][1].load_state_dict(resizes[low].resize.state_dict())
        ours.projections[i].load_state_dict(theirs.neck.convs[low].state_dict())
        block.project.load_state_dict(fusion.projection.state_dict())
        units = [(block.unit, fusion.residual_layer2)]
        units += [(block.skip_unit, fusion.residual_layer1)] if i else []
        for unit, layer in units:
            unit.conv1.load_state_dict(layer.convolution1.state_dict())
            unit.conv2.load_state_dict(layer.convolution2.state_dict())
    ours.head.load_state_dict(theirs.head.conv1.state_dict())
    network.high[0], network.to_depth = theirs.head.conv2, theirs.head.conv3
    tokens = [torch.randn(1, 1 + 4 * 6, 32) for _ in range(4)]
    network.encoder = Taps([t[:, 1:].transpose(1, 2).reshape(1, 32, 4, 6) for t in reversed(tokens)])
    with torch.no_grad():
        depth, maps = network(torch.zeros(1, 3, 56, 84))
        fused = theirs.neck(list(tokens), 4, 6)
        expected = theirs.head(fused, 4, 6)
    for mine, their in zip(maps[1:5], fused, strict=True):
        torch.testing.assert_close(mine, their, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(depth[:, 0], expected, rtol=1e-4, atol=1e-4)


# loading


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda d: (d / "config.json").unlink(), "transformers cannot load it"),
        (lambda d: (d / "model.safetensors").unlink(), "transformers cannot load it"),
        (lambda d: (d / "model.safetensors").write_bytes(b"x"), "transformers cannot load it"),
        (lambda d: (d / "config.json").write_text('{"model_type": "bert"}'), "bert model is no depth model"),
        (lambda d: (d / "preprocessor_config.json").unlink(), "transformers cannot load it"),
    ],
    ids=["no config", "no weights", "broken weights", "no depth model", "no processor"],
)
def test_what_cannot_be_loaded_is_one_line(tmp_path, spoil, reason):
    directory = tiny.write(tmp_path / "model", METRIC["glpn"])
    spoil(directory)
    with pytest.raises(HyperfocalError, match=reason) as error:
        TransformersDepth.from_pretrained(directory)
    assert str(error.value).startswith(f"{directory}: ")
    assert "\n" not in str(error.value)


def test_missing_weights_are_not_replaced_by_random_ones(tmp_path):
    directory = tiny.write(tmp_path / "model", METRIC["glpn"])
    model = transformers.AutoModelForDepthEstimation.from_pretrained(directory)
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("head.")}
    model.save_pretrained(directory, state_dict=state)
    with pytest.raises(HyperfocalError, match=r"4 weights are missing \(head\."):
        TransformersDepth.from_pretrained(directory)


def test_offline_a_hub_id_is_one_line():
    with pytest.raises(
        HyperfocalError, match=r"^no-one/no-such-model: transformers cannot load it: "
    ) as error:
        TransformersDepth.from_pretrained("no-one/no-such-model")
    assert "\n" not in str(error.value)


# in front of our refiner


@pytest.mark.parametrize("name", METRIC)
def test_the_scale_is_the_bases(models, photo, name):
    base = ExternalBase(models[name], tiny_model())
    depth, report = base.predict_with_report(photo, Tiling("2x2"))
    pipeline = transformers.pipeline("depth-estimation", model=str(models[name]), device="cpu")
    expected = pipeline(Image.open(photo))["predicted_depth"].numpy()
    assert depth.metres.shape == expected.shape == (80, 120)
    assert np.median(np.log(depth.metres / expected)) == pytest.approx(0, abs=0.05)
    assert not np.allclose(depth.metres, expected, rtol=1e-3)  # the refiner did something
    assert report.tiles == 4
    assert set(report.seconds) == {"read", "coarse", "refine"}
    assert depth.meta["model"] == base.name == f"{models[name]} + tiny"


def test_relative_depth_is_refused_and_aligned_on_request(models, photo):
    model = tiny_model(sky_from=None)
    with pytest.raises(HyperfocalError, match="relative depth, not metres; --align"):
        ExternalBase(models["relative"], model)
    own = model.predict(photo, tiling="none").metres
    base = ExternalBase(models["relative"], model, align=True)
    base._predict = lambda image: {"predicted_depth": torch.from_numpy(300 / own - 2)}
    depth = base.predict_with_report(photo, Tiling("none"))[0].metres
    np.testing.assert_allclose(depth, own, rtol=1e-3)


def test_a_model_without_refiner_cannot_sharpen(models):
    with pytest.raises(HyperfocalError, match="no refiner"):
        ExternalBase(models["glpn"], tiny_model(refiner=None))


def test_a_given_base_takes_no_feedback(models, photo):
    base = ExternalBase(models["glpn"], tiny_model())
    base._predict = None  # said before it runs
    with pytest.raises(HyperfocalError, match="takes no feedback"):
        base.predict_with_report(photo, Tiling("p49", feedback=True))


def test_alignment_finds_scale_and_shift_of_inverse_depth():
    metres = np.random.default_rng(0).uniform(1, 50, (40, 60)).astype(np.float32)
    metres[:5] = np.inf
    inverse = np.where(np.isfinite(metres), 300 * (1 / metres) - 2, -9).astype(np.float32)
    np.testing.assert_allclose(aligned(inverse, metres), metres, rtol=1e-4)
    assert aligned(inverse, metres).dtype == np.float32


def test_alignment_stays_in_the_range_of_the_metric_map():
    metres = np.linspace(2, 10, 200, dtype=np.float32).reshape(10, 20)
    inverse = 1 / metres
    inverse[0, 0], inverse[9, 19] = 9, -9
    fitted = aligned(inverse, metres)
    assert fitted.min() >= 2
    assert fitted.max() <= 10


def test_alignment_refuses_what_is_the_wrong_way_round():
    metres = np.linspace(2, 10, 200, dtype=np.float32).reshape(10, 20)
    with pytest.raises(HyperfocalError, match="other way round"):
        aligned(metres, metres)


def test_alignment_of_nothing_but_sky_is_sky():
    sky = np.full((4, 4), np.inf, np.float32)
    assert np.isinf(aligned(np.ones((4, 4), np.float32), sky)).all()


# the command


@pytest.fixture
def predict(photo, tmp_path):
    model = write_tiny_model(tmp_path / "tiny")

    def run(*arguments):
        common = [photo, "--out", tmp_path / "out", "--model", model, "--device", "cpu", "--formats", "npy"]
        return CliRunner().invoke(app, ["predict", *map(str, [*common, *arguments])])

    return run


def test_predict_takes_a_base(predict, models, tmp_path):
    result = predict("--base", models["zoedepth"], "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["model"].startswith(str(models["zoedepth"]))
    assert np.load(tmp_path / "out" / "photo.npy").shape == (80, 120)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--base", "relative"], "--align fits it"),
        (["--base", "nowhere"], "transformers cannot load it"),
        (["--align"], "give one"),
    ],
)
def test_a_wrong_base_is_exit_2_and_one_line(predict, models, arguments, reason, tmp_path):
    result = predict(*(str(models.get(word, word)) for word in arguments))
    assert result.exit_code == 2
    assert reason in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert not list((tmp_path / "out").glob("*"))


def test_predict_aligns_a_relative_base(predict, models, monkeypatch):
    monkeypatch.setattr("hyperfocal.external.aligned", lambda inverse, metres: metres)  # of random weights
    result = predict("--base", models["dpt"], "--align")
    assert result.exit_code == 0, result.stderr


def test_without_the_library_one_line_says_how_to_get_it(predict, models, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    result = predict("--base", models["glpn"], "--quiet")
    assert result.exit_code == 1
    assert result.stderr.endswith("transformers is missing: pip install 'hyperfocal[transformers]'\n")
