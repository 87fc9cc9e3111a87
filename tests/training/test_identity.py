"""Real, small training runs of what tells people apart."""

import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.cli import main  # noqa: E402
from facectrl_fast.training.identity import IdentityHead  # noqa: E402
from facectrl_fast.training.triplets import SAMPLINGS  # noqa: E402
from facectrl_fast.vision.identity import IdentityModel  # noqa: E402
from tests.pictures import portrait  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture
def people(tmp_path):
    """Six people who differ by the shade of their faces, and one of whom there is one picture."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "people"
    for person in range(7):
        name = f"P{person}"
        (folder / name).mkdir(parents=True)
        for number in range(1 if person == 6 else 5):
            shade = 0.45 + 0.1 * person + rng.normal(0, 0.01)
            image = np.clip(portrait(0.8, size=(250, 250)) * shade, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / name / f"{name}_{number:04}.jpg"), image)
    return folder


def coarse_picture(path):
    """A network that gives 16 parts of the picture."""
    graph = helper.make_graph(
        [
            helper.make_node(
                "AveragePool", ["crops"], ["parts"], kernel_shape=[8] * 2, strides=[8] * 2
            ),
            helper.make_node("Flatten", ["parts"], ["features"]),
        ],
        "parts",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", 1, 32, 32])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 16])],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return str(path)


@pytest.fixture
def arguments(people, tmp_path):
    backbone = coarse_picture(tmp_path / "net.onnx")

    def made(out, *more, epochs=12, folds=3):
        chosen = ["--backbone", backbone, "--scaling", "unit", "--epochs", str(epochs)]
        chosen += ["--folds", str(folds), "--learning-rate", "0.001"]
        return ["train", "identity", str(people), *chosen, "--out", str(tmp_path / out), *more]

    return made


def crops():
    return np.random.default_rng(0).random((1, 1, 32, 32), np.float32)


def test_a_head_learns_and_leaves_a_model_that_recognises(arguments, people, tmp_path, capsys):
    assert main(arguments("run")) == 0
    told = capsys.readouterr().out
    assert "30 faces of 6 people" in told
    assert "people left out, 3 of 3: ROC AUC of backbone alone" in told
    model = IdentityModel(tmp_path / "run/model.onnx")
    assert model.dimensions == 128
    assert np.linalg.norm(model.embed(crops())) == pytest.approx(1, abs=1e-5)
    card = (tmp_path / "run/card.md").read_text()
    for name in ("backbone alone", "random", "adaptive"):
        assert f"| {name} | " in card
    page = (tmp_path / "run/report.html").read_text()
    for name in ("curves", "roc", "distances"):
        assert f'src="{name}.png"' in page
        assert cv2.imread(str(tmp_path / f"run/{name}.png")) is not None
    drawn = tmp_path / "judged.png"
    judged = ["evaluate", "identity", str(tmp_path / "run/model.onnx"), str(people)]
    assert main([*judged, "--out", str(drawn)]) == 0
    assert "ROC AUC" in capsys.readouterr().out
    assert cv2.imread(str(drawn)) is not None
    csv = tmp_path / "test_set.csv"
    csv.write_text("Anchor,Positive,Negative\nP0/P0_0000.jpg,P0/P0_0001.jpg,P5/P5_0000.jpg\n")
    assert main([*judged, "--triplets", str(csv)]) == 0
    assert "1, two decisions each" in capsys.readouterr().out


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_run_that_was_killed_goes_on_and_ends_the_same(arguments, tmp_path, sampling):
    more = ("--sampling", sampling)
    command = [sys.executable, "-u", "-m", "facectrl_fast"]
    process = subprocess.Popen(
        [*command, *arguments("killed", *more, folds=0)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process.stdout as lines:
        for line in lines:
            if line.startswith("epoch 5"):
                break
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert main(arguments("killed", *more, folds=0)) == 0
    assert main(arguments("undisturbed", *more, folds=0)) == 0
    killed, undisturbed = (
        IdentityModel(tmp_path / f"{name}/model.onnx").embed(crops())
        for name in ("killed", "undisturbed")
    )
    np.testing.assert_array_equal(killed, undisturbed)


def test_the_backbone_sees_each_picture_once(arguments, people, monkeypatch):
    assert main(arguments("first", folds=0, epochs=1)) == 0
    from facectrl_fast.training import identity

    real = identity._run
    asked = []

    def counted(backbone):
        run = real(backbone)
        return lambda batch: asked.append(1) or run(batch)

    monkeypatch.setattr(identity, "_run", counted)
    changed = people / "P0/P0_0000.jpg"
    cv2.imwrite(str(changed), portrait(0.8, size=(250, 250)))
    assert main(arguments("changed", folds=0, epochs=1)) == 0
    assert len(asked) == 16 + identity.VARIANTS
    asked.clear()
    assert main(arguments("second", folds=0, epochs=1)) == 0
    assert len(asked) == 16, "the crops by which the exported file is checked"


def test_too_few_people_are_told(arguments, capsys):
    assert main(arguments("run", folds=5)) == 1
    assert "shows 6 people: too few for --folds 5" in capsys.readouterr().err
    for folds in (1, 2):
        assert main(arguments("run", folds=folds)) == 1
    assert main(arguments("run", folds=3, epochs=1)) == 0, "nothing was begun before"


def rows():
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(8), 6)
    centres = rng.normal(size=(8, 4))
    return (centres[people] + rng.normal(0, 0.5, (48, 4))).astype(np.float32), people


@pytest.mark.parametrize("name", SAMPLINGS)
def test_triplets_hold_each_face_once_with_one_of_the_person_and_one_of_another(name):
    points, people = rows()
    anchors, positives, negatives = SAMPLINGS[name](points, people, np.random.default_rng(0))
    assert sorted(anchors) == list(range(48))
    assert (people[positives] == people[anchors]).all()
    assert (positives != anchors).all()
    assert (people[negatives] != people[anchors]).all()
    again = SAMPLINGS[name](points, people, np.random.default_rng(0))
    np.testing.assert_array_equal(anchors, again[0])
    np.testing.assert_array_equal(negatives, again[2])


def test_adaptive_triplets_are_harder():
    points, people = rows()

    def gap(name):
        gaps = []
        for seed in range(20):
            a, p, n = SAMPLINGS[name](points, people, np.random.default_rng(seed))
            near = np.square(points[a] - points[p]).sum(1)
            gaps.append((np.square(points[a] - points[n]).sum(1) - near).mean())
        return np.mean(gaps)

    assert gap("adaptive") < 0.8 * gap("random")


def test_a_head_begins_with_what_the_features_tell():
    """Points of one person are closer than those of two, before anything was learnt."""
    points, people = rows()
    features = torch.from_numpy(np.repeat(points, 20, axis=1))
    head = IdentityHead(features.mean(0), features.std(0))
    head.begin(features)
    with torch.no_grad():
        made = head.eval()(features).numpy()
    distances = np.square(made[:, None] - made[None]).sum(2)
    same = people[:, None] == people[None]
    assert distances[same].mean() < 0.5 * distances[~same].mean()


def test_a_backbone_that_the_runtime_cannot_run_is_told_in_a_line(arguments, tmp_path, capsys):
    model = onnx.load(tmp_path / "net.onnx")
    model.graph.node[0].domain = "somebody.else"
    model.opset_import.append(helper.make_opsetid("somebody.else", 1))
    onnx.save(model, tmp_path / "net.onnx")
    assert main(arguments("run")) != 0
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "backbone net cannot be run" in told[0]
