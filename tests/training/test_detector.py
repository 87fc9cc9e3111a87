"""Real, small training runs of face detectors."""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

import onnx  # noqa: E402

from facectrl_fast.cli import main  # noqa: E402
from facectrl_fast.dataset.faceless_parts import faceless_parts  # noqa: E402
from facectrl_fast.dataset.webcam_scenes import WEBCAM, FacePicture  # noqa: E402
from facectrl_fast.dataset.wider import FaceFilter  # noqa: E402
from facectrl_fast.models import PACKAGED_MODEL  # noqa: E402
from facectrl_fast.training import detector_run  # noqa: E402
from facectrl_fast.training.detector_data import (  # noqa: E402
    LEAST_ROWS,
    MOST_MISTAKEN,
    DetectorData,
    PictureSet,
    read_set,
)
from facectrl_fast.training.detector_loss import (  # noqa: E402
    Anchors,
    detector_loss,
    flat,
    lesson_loss,
    match,
)
from facectrl_fast.training.detector_network import ARCHITECTURES  # noqa: E402
from facectrl_fast.training.detector_teacher import DetectorTeacher  # noqa: E402
from facectrl_fast.training.detector_weights import begin_with, measure_norms  # noqa: E402
from facectrl_fast.training.quantise import quantised  # noqa: E402
from facectrl_fast.types import Face, PixelFormat, overlap  # noqa: E402
from facectrl_fast.vision.anchor_network import AnchorNetwork  # noqa: E402
from facectrl_fast.vision.anchors import AnchorLevel  # noqa: E402
from facectrl_fast.vision.ssd import DOUBTFUL, Picture, SsdDetector  # noqa: E402
from tests.runs import noted_inputs  # noqa: E402

pytestmark = pytest.mark.train

SMALL = ["--input-size", "96x64", "--batch-size", "16", "--width", "0.5"]
SMALL += ["--validation-scenes", "60"]


def face(image, x, y, size):
    """A cross in a bright disc is what passes for a face here."""
    centre = (x + size // 2, y + size // 2)
    axes = (round(size * 0.38), size // 2)
    cv2.ellipse(image, centre, axes, 0, 0, 360, (210, 220, 230), -1)
    cv2.line(image, (x + size // 3, centre[1]), (x + 2 * size // 3, centre[1]), (20, 30, 40), 3)
    cv2.line(image, (centre[0], y + size // 4), (centre[0], y + 3 * size // 4), (20, 30, 40), 3)
    return round(centre[0] - axes[0]), y, 2 * axes[0], size


@pytest.fixture
def wider(tmp_path):
    """A set in WIDER FACE's layout: a face a picture, and some pictures without."""
    rng = np.random.default_rng(0)
    images = tmp_path / "set/WIDER_train/images"
    images.mkdir(parents=True)
    lines = []
    for number in range(40):
        image = cv2.resize(rng.integers(0, 120, (6, 8, 3), dtype=np.uint8), (120, 100))
        name = f"{'abcdefghij'[number % 10]}_{number}.png"
        lines.append(name)
        if number < 34:
            box = face(image, *rng.integers(5, 30, 2).tolist(), int(rng.integers(40, 60)))
            lines += ["1", " ".join(map(str, box)) + " 0 0 0 0 0 0"]
        else:
            lines += ["0", "0 0 0 0 0 0 0 0 0 0"]
        cv2.imwrite(str(images / name), image)
    split = tmp_path / "set/wider_face_split"
    split.mkdir()
    (split / "wider_face_train_bbx_gt.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "set"


@pytest.fixture
def never_int8(monkeypatch):
    """A run's model is kept as it is, whatever the machine makes of int8."""
    monkeypatch.setattr(detector_run, "EQUAL", -1.0)


def arguments(wider, out, *more, steps=40, every=20):
    options = ["--steps", str(steps), "--evaluate-every", str(every), *SMALL]
    return ["train", "detector", str(wider), "--out", str(out), *options, *more]


def outputs(model, channels=1):
    picture = np.random.default_rng(0).random((1, channels, 64, 96), np.float32)
    return AnchorNetwork(model).run(picture)


def scores(model, picture):
    levels = AnchorNetwork(model).run(np.float32(picture[None, None]) / np.float32(255))
    return flat([torch.from_numpy(level) for level in levels])[0].sigmoid()


def test_a_detector_learns_and_leaves_a_model_that_run_uses(wider, tmp_path, capsys, monkeypatch):
    # Of what learns for half a minute, hardly a face would score above nearly all else.
    monkeypatch.setattr(detector_run, "FALSE_BOXES", 0.05)
    out = tmp_path / "run"
    assert main(arguments(wider, out, steps=800, every=200)) == 0
    printed = capsys.readouterr().out
    assert printed.count("average precision") == 5
    description = SsdDetector(out / "model.onnx").description
    assert description.network == "tiny"
    assert (description.height, description.width) == (64, 96)
    assert description.validation["average_precision"] > 0.3
    assert description.data["training_backgrounds"] == 5
    image = np.full((200, 300, 3), 60, np.uint8)
    box = face(image, 100, 40, 90)
    found = SsdDetector(out / "model.onnx").detect(image, PixelFormat.BGR24)
    assert overlap(found[0].box, box) > 0.5
    page = (out / "report.html").read_text()
    for name in ("curves", "precision_recall", "misses", "hits"):
        assert f'src="{name}.png"' in page
        assert cv2.imread(str(out / f"{name}.png")) is not None
    assert "once the weights are rounded to halves" in (out / "card.md").read_text()
    assert "average precision" in (out / "card.md").read_text()
    assert list((out / "tensorboard").glob("events.*"))


def test_a_run_that_was_killed_goes_on_and_ends_the_same(wider, tmp_path, capsys):
    process = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-m",
            "facectrl_fast",
            *arguments(wider, tmp_path / "killed", steps=60),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process.stdout as lines:
        for line in lines:
            if line.startswith("epoch 2"):
                break
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # Into any folder: hosted machines go away, mounted ones stay.
    (tmp_path / "killed").rename(tmp_path / "moved")
    assert main(arguments(wider, tmp_path / "moved", steps=60)) == 0
    assert "continuing the run" in capsys.readouterr().out
    assert main(arguments(wider, tmp_path / "undisturbed", steps=60)) == 0
    for killed, undisturbed in zip(
        outputs(tmp_path / "moved/model.onnx"),
        outputs(tmp_path / "undisturbed/model.onnx"),
        strict=True,
    ):
        np.testing.assert_array_equal(killed, undisturbed)


def test_the_seed_s_architecture_trains_in_colour_from_random_weights(wider, tmp_path):
    more = ["--arch", "mobilenet-v2-ssd", "--aspects", "1,2,0.5", "--colour"]
    assert main(arguments(wider, tmp_path / "run", *more, steps=2, every=1)) == 0
    description = SsdDetector(tmp_path / "run/model.onnx").description
    assert description.network == "mobilenet-v2-ssd"
    assert description.channels == 3
    assert description.levels[0].aspects == (1, 2, 0.5)
    assert description.multiple == 32
    image = np.full((200, 300, 3), 60, np.uint8)
    SsdDetector(tmp_path / "run/model.onnx").detect(image, PixelFormat.BGR24)
    SsdDetector(tmp_path / "run/model.onnx").detect(image[:, :, 0].copy(), PixelFormat.GRAY8)


def test_a_close_look_in_colour_sees_the_part_that_it_is_for(wider, tmp_path, monkeypatch):
    assert main(arguments(wider, tmp_path / "run", "--colour", steps=2, every=1)) == 0
    detector = SsdDetector(tmp_path / "run/model.onnx")
    image = np.zeros((200, 300, 3), np.uint8)
    image[50:150, 100:200] = (255, 102, 51)
    shown = noted_inputs(monkeypatch, lambda array: array[0].mean((1, 2)))
    picture = Picture(image, PixelFormat.BGR24, 10)
    detector._looked_at_closely(picture, Face((120, 70, 60, 60), 0.5))
    np.testing.assert_allclose(shown, [[1, 0.4, 0.2]], atol=1e-3)


def test_a_detector_learns_what_its_teacher_says(wider, tmp_path, monkeypatch):
    """From one that sees faces everywhere, it learns to see more of them, where faces are."""
    teacher = tmp_path / "teacher/model.onnx"
    assert main(arguments(wider, teacher.parent, "--width", "1", steps=1, every=1)) == 0
    known = DetectorTeacher.scores
    monkeypatch.setattr(
        DetectorTeacher, "scores", lambda *given: torch.full_like(known(*given), 0.9)
    )
    for name, more in (("taught", ["--teacher", str(teacher)]), ("alone", [])):
        assert main(arguments(wider, tmp_path / name, *more, steps=120, every=60)) == 0
    assert (
        f"that of {teacher}, which it began with or learned from | "
        in (tmp_path / "taught/card.md").read_text()
    )
    somebody = np.full((64, 96, 3), 60, np.uint8)
    face(somebody, 30, 10, 40)
    taught, alone = (
        scores(tmp_path / name / "model.onnx", somebody[:, :, 0]).mean()
        for name in ("taught", "alone")
    )
    assert taught > 1.5 * alone
    # With another teacher it is another run.
    assert main(arguments(wider, tmp_path / "taught", steps=120, every=60)) == 1


def test_a_teacher_s_scores_are_those_of_its_file(wider, tmp_path):
    assert main(arguments(wider, tmp_path / "run", steps=1, every=1)) == 0
    path = tmp_path / "run/model.onnx"
    detector = AnchorNetwork(path)
    teacher = DetectorTeacher(path, detector.description.levels, 1)
    pictures = np.random.default_rng(0).random((3, 1, 64, 96), np.float32)
    scores = teacher.scores(torch.from_numpy(pictures))
    levels = [torch.from_numpy(level) for level in detector.run(pictures[2:])]
    assert scores.shape[0] == 3
    torch.testing.assert_close(scores[2:], flat(levels)[0].sigmoid())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_that_begins_with_a_model_computes_the_same_in_use_and_in_training(
    wider, tmp_path, never_int8, name
):
    more = ["--arch", name, "--aspects", "0.8,1.2"]
    assert main(arguments(wider, tmp_path / "run", *more)) == 0
    path = tmp_path / "run/model.onnx"
    architecture = ARCHITECTURES[name]
    levels = architecture.levels((0.8, 1.2), 64)
    network = architecture.build(levels, 0.5, 1, None)
    pictures = torch.rand(8, 1, 64, 96)
    begin_with(network, levels, path)
    measure_norms(network, pictures)
    expected = AnchorNetwork(path).run(pictures[:1].numpy())
    for training in (False, True):
        with torch.no_grad():
            given = network.train(training)(pictures)
        for ours, theirs in zip(given, expected, strict=True):
            np.testing.assert_allclose(ours[:1], theirs, atol=1e-3)


def test_a_training_goes_on_from_a_model(wider, tmp_path, never_int8, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(arguments(wider, first, steps=400, every=200)) == 0
    more = ["--weights", str(first / "model.onnx"), "--learning-rate", "0.0001"]
    assert main(arguments(wider, second, *more, steps=1, every=1)) == 0
    known, anew = (
        SsdDetector(out / "model.onnx").description.validation["average_precision"]
        for out in (first, second)
    )
    assert anew > known / 2 > 0.05
    printed = capsys.readouterr().out
    assert re.search(r"\b5 backgrounds, \d of them hard to tell from faces", printed)
    # Both are judged by the same scenes.
    told = re.search(rf"average precision ([\d.]+), that of {first}/model.onnx ([\d.]+);", printed)
    assert [float(each) for each in told.groups()] == pytest.approx([anew, known], abs=1e-3)
    card = (second / "card.md").read_text()
    assert f"that of {first}/model.onnx, which it began with or learned from | {told[2]} |" in card
    assert "which flatters all of them" in card
    # With other weights to begin with it is another run.
    more[1:2] = ["tiny", "--width", "1"]
    assert main(arguments(wider, second, *more, steps=1, every=1)) == 1
    assert "differs in" in capsys.readouterr().err


def test_a_network_that_looks_closely_for_another_is_trained_and_used_beside_it(
    wider, tmp_path, never_int8, capsys
):
    searcher = tmp_path / "faces/model.onnx"
    assert main(arguments(wider, searcher.parent, steps=400, every=200)) == 0
    more = ["--arch", "close", "--doubts-of", str(searcher)]
    assert main(arguments(wider, tmp_path / "close", *more)) == 0
    printed = capsys.readouterr().out
    beside = tmp_path / "faces/model.close.onnx"
    assert f"to use it, copy {tmp_path}/close/model.onnx to {beside}" in printed
    assert f"that of {searcher} " in printed
    alone = SsdDetector(searcher)
    shutil.copy(tmp_path / "close/model.onnx", beside)
    both = SsdDetector(searcher)
    known = AnchorNetwork(beside).description
    assert both.used_score == known.score
    assert (known.network, known.height, known.width) == ("close", 64, 96)
    assert alone.used_score == AnchorNetwork(searcher).description.score
    card = (tmp_path / "close/card.md").read_text()
    assert f"looks closely at what {searcher} doubts" in card
    assert f"that of {searcher}, alone | " in card


def test_only_what_looks_closely_is_told_for_whom(wider, tmp_path, capsys):
    assert main(arguments(wider, tmp_path / "run", "--doubts-of", "tiny")) == 1
    assert "--doubts-of goes with --arch close" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("boxes", "score", "cuts"),
    [
        ([(30, 30, 20, 30), (60, 20, 20, 30)], 0.3, 2),
        ([(30, 30, 20, 30)], 0.09, 0),
        ([(500, 0, 20, 30), (90, 80, 2, 3), (30, 30, 20, 30)], 0.3, 1),
        ([(10 * k, 30, 20, 30) for k in range(8)], 0.3, MOST_MISTAKEN),
    ],
    ids=["some", "unlikely", "outside and too small", "too many"],
)
def test_what_a_first_look_takes_for_faces_is_cut_out_to_be_looked_at_closely(
    wider, boxes, score, cuts
):
    pictures = read_set(wider, FaceFilter(), 1, 320, print)
    plain = [np.full((1, 100, 120), 90, np.uint8)] * 20

    class Searcher(SsdDetector):
        """Takes the same places of every picture for faces."""

        def first_look(self, image, pixel_format):
            return [Face(box, score) for box in boxes]

    searcher = Searcher()
    given = [pictures], plain, (64, 96), 16, 2, 10, 0.1, 0, [searcher]
    before, after = (DetectorData(*given, *more) for more in ([], [searcher]))
    name = "training_backgrounds"
    assert after.counts[name] == (1 + cuts) * before.counts[name]
    # A close look is validated by such cuts, too; the scenes that both are judged by are whole.
    shown, judging = after._validation._backgrounds, after._camera._backgrounds
    assert len(shown._pictures) == (1 + cuts) * len(judging._pictures)
    assert next(after.camera_scenes()).image.shape == (1, 480, 624)  # as the searcher is judged by


@pytest.mark.parametrize(
    ("searcher", "complaint"),
    [
        ("missing.onnx", "missing.onnx does not exist"),
        ("close", "itself looks closely for a detector; check --doubts-of"),
        (str(PACKAGED_MODEL), "not for 'faces'"),
    ],
)
def test_whose_doubts_cannot_be_looked_at_is_told(wider, tmp_path, capsys, searcher, complaint):
    more = ["--arch", "close", "--doubts-of", searcher]
    assert main(arguments(wider, tmp_path / "run", *more)) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_no_training_begins_with_int8(wider, tmp_path, never_int8, capsys):
    plain, small = tmp_path / "plain/model.onnx", tmp_path / "small.onnx"
    assert main(arguments(wider, plain.parent, steps=1, every=1)) == 0
    batch = np.random.default_rng(0).random((1, 1, 64, 96), np.float32)
    onnx.save(quantised(onnx.load(plain), [batch]), small)
    assert main(arguments(wider, tmp_path / "run", "--weights", str(small))) == 1
    assert "small.onnx is quantised to int8: no training can" in capsys.readouterr().err


def test_a_file_that_is_no_model_is_no_beginning(wider, tmp_path, capsys):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    assert main(arguments(wider, tmp_path / "run", "--weights", str(broken))) == 1
    assert "broken.onnx is not a usable ONNX model" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_finished_model_is_judged_by_many_scenes_of_a_camera_s_size(wider):
    pictures = read_set(wider, FaceFilter(), 1, 320, print)
    data = DetectorData([pictures], [], (64, 96), 16, 2, 10, 0.1, 0)
    scenes = list(data.camera_scenes())
    assert {scene.image.shape for scene in scenes} == {(1, 192, 288)}
    assert len({scene.image.tobytes() for scene in scenes}) == len(scenes) == 40
    again = next(data.camera_scenes())
    np.testing.assert_array_equal(again.image, scenes[0].image)


def test_backgrounds_in_which_a_known_detector_errs_are_drawn_more_often(wider, monkeypatch):
    pictures = read_set(wider, FaceFilter(), 1, 320, print)
    hard = [pictures.faces[0].image] * 3
    plain = [np.full((1, 64, 96), 90, np.uint8)] * 30

    class Known(SsdDetector):
        """Takes what is bright for a face, and doubts the rest."""

        def detect(self, image, pixel_format, least_share=None):
            return [Face((0, 0, 10, 10), 0.5 if image.max() > 180 else DOUBTFUL)]

    data = DetectorData([pictures], [*hard, *plain], (64, 96), 16, 2, 10, 0.1, 0, [Known()])
    assert 0 < data.counts["hard_backgrounds"] <= 3
    alike = DetectorData([pictures], [*hard, *plain], (64, 96), 16, 2, 10, 0.1, 0)
    assert alike.counts["hard_backgrounds"] == 0
    # Where nobody is, only these backgrounds are bright.
    for each in (data, alike):
        monkeypatch.setattr(each._training, "_framing", replace(WEBCAM, empty=1.0))
    bright = [
        np.mean([scene.image.max() > 180 for scene in each.training_scenes(300)])
        for each in (data, alike)
    ]
    assert bright[0] > bright[1] + 0.1


def test_what_is_around_people_serves_as_background_on_their_side_of_the_split():
    image = np.full((1, 200, 300), 90, np.uint8)
    box = np.array([[20, 20, 40, 50]], np.float32)
    pictures = PictureSet(
        [FacePicture(image, box, np.zeros((0, 4), np.float32)) for _ in range(40)],
        [f"person {number % 10}" for number in range(40)],
    )
    data = DetectorData([pictures], [], (64, 96), 16, 2, 10, 0.1, 0)
    parts = len(faceless_parts(200, 300, [(20, 20, 40, 50)], LEAST_ROWS))
    assert parts > 0
    for side in ("training", "validation"):
        assert data.counts[f"{side}_backgrounds"] == parts * data.counts[f"{side}_pictures"] > 0


def test_weights_that_bear_no_rounding_are_stored_as_they_are(wider, tmp_path, monkeypatch):
    monkeypatch.setattr(detector_run, "ROUNDED", 0.0)
    assert main(arguments(wider, tmp_path / "run", steps=20)) == 0
    kinds = {w.data_type for w in onnx.load(tmp_path / "run/model.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 not in kinds


def test_problems_are_counted_and_named_and_not_fatal_below_a_limit(wider, tmp_path, capsys):
    annotations = wider / "wider_face_split/wider_face_train_bbx_gt.txt"
    text = annotations.read_text()
    (wider / "WIDER_train/images/b_1.png").unlink()
    (wider / "WIDER_train/images/c_2.png").write_bytes(b"no picture")
    annotations.write_text(text + "bad line\n")
    assert main(arguments(wider, tmp_path / "run", steps=1, every=1)) == 0
    printed = capsys.readouterr().out
    assert "3 problems" in printed
    assert "b_1.png" in printed
    annotations.write_text(text.replace("_1", "_x"))
    assert main(arguments(wider, tmp_path / "other", steps=1, every=1)) == 1
    error = capsys.readouterr().err
    assert "problems" in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "other").exists()


def test_pictures_of_faces_that_are_too_small_are_left_out_and_counted(wider):
    said = []
    found = read_set(wider, FaceFilter(), 1, 16, said.append)
    assert not found.faces
    assert len(said) == 1
    assert "left out: 34 pictures" in said[0]
    assert len(read_set(wider, FaceFilter(), 1, 320, said.append).faces) == 34
    assert len(said) == 1


def test_boxes_outside_of_their_picture_are_problems(wider, tmp_path, capsys):
    annotations = wider / "wider_face_split/wider_face_train_bbx_gt.txt"
    annotations.write_text(
        annotations.read_text().replace("a_0.png\n1\n", "a_0.png\n2\n900 900 50 50 0 0 0 0 0 0\n")
    )
    assert main(arguments(wider, tmp_path / "run", steps=1, every=1)) == 0
    assert "a_0.png: a face lies outside of the picture" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--input-size", "100x64"], "multiples of 16"),
        (["--arch", "mobilenet-v2-ssd", "--input-size", "96x48"], "multiples of 32"),
        (["--weights", "/nowhere.pth"], "begins with a detector's .onnx, or with random weights"),
        (["--weights", "/nowhere.onnx"], "/nowhere.onnx does not exist; check its name"),
        (["--weights", "tiny"], "has other layers; check --weights, --arch, --width"),
        (["--weights", "tiny", "--width", "1", "--aspects", "1"], "has other anchors"),
        (["--weights", str(PACKAGED_MODEL)], "a model for the task 'headphones', not for 'faces'"),
        (["--arch", "mobilenet-v2-ssd", "--weights", "/nowhere.pth", "--width", "1"], "no weights"),
        (["--negatives", "/nowhere"], "holds no pictures"),
        (["--teacher", "/nowhere.onnx"], "/nowhere.onnx does not exist"),
        (["--teacher", "tiny"], "cannot teach: it has other anchors"),
    ],
)
def test_bad_input_is_told_in_a_line(wider, tmp_path, capsys, more, complaint):
    assert main(arguments(wider, tmp_path / "run", *more)) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1


def test_people_are_needed_on_both_sides(wider, tmp_path, capsys):
    annotations = wider / "wider_face_split/wider_face_train_bbx_gt.txt"
    annotations.write_text("\n".join(annotations.read_text().splitlines()[:3]) + "\n")
    assert main(arguments(wider, tmp_path / "run")) == 1
    assert "fewer than two people" in capsys.readouterr().err


LEVELS = (AnchorLevel(8, (16.0,), (1.0,)), AnchorLevel(16, (40.0,), (1.0,)))
NONE = torch.zeros(1, 0, 4)


def test_every_face_has_an_anchor_and_doubtful_ones_are_left_alone():
    anchors = Anchors(LEVELS, 32, 48)
    # Nothing like any anchor, but somebody has to find it.
    odd = torch.tensor([[[2.0, 2.0, 44.0, 7.0]]])
    found, matched, asked = match(anchors.corners, odd, NONE)
    assert found.sum() == 1
    assert (matched[found] == 0).all()
    assert asked.all()
    on_an_anchor = anchors.corners[3][None, None]
    found, _, asked = match(anchors.corners, NONE.new_full((1, 1, 4), torch.nan), on_an_anchor)
    assert not found.any()
    assert not asked[0, 3]
    assert asked.sum() > 0


def test_the_loss_falls_as_boxes_and_scores_get_better():
    anchors = Anchors(LEVELS, 32, 48)
    faces = torch.tensor([[[4.0, 4.0, 20.0, 20.0], [torch.nan] * 4]])
    found, _, _ = match(anchors.corners, faces, NONE)
    logits = torch.full(found.shape, -6.0)
    offsets = torch.zeros(*found.shape, 4)
    blind = detector_loss(anchors, logits, offsets, faces, NONE)
    seeing = detector_loss(anchors, torch.where(found, 3.0, -6.0), offsets, faces, NONE)
    assert seeing < blind
    apart = detector_loss(anchors, torch.where(found, 3.0, -6.0), offsets + 9, faces, NONE)
    assert apart > seeing
    nobody = torch.full((1, 1, 4), torch.nan)
    assert detector_loss(anchors, logits, offsets, nobody, NONE) < 0.01
    assert torch.isfinite(detector_loss(anchors, logits, offsets * torch.nan, nobody, NONE))


def test_a_lesson_is_learnt_where_scores_are_the_teacher_s():
    anchors = Anchors(LEVELS, 32, 48)
    everywhere = torch.tensor([[[0.0, 0.0, 48.0, 32.0]]])
    lesson = torch.linspace(0.02, 0.9, len(anchors.corners))[None]
    logits = torch.logit(lesson).requires_grad_()
    lesson_loss(anchors, logits, lesson, everywhere, NONE).backward()
    assert float(logits.grad.abs().max()) < 1e-6
    nearer, farther = (
        lesson_loss(anchors, torch.logit(lesson) + by, lesson, everywhere, NONE)
        for by in (0.5, 2.0)
    )
    assert 0 < nearer < farther


def test_what_a_teacher_takes_for_a_face_where_none_is_is_no_lesson():
    anchors = Anchors(LEVELS, 32, 48)
    nobody = torch.full((2, 1, 4), torch.nan)
    face, doubtful = nobody.clone(), nobody.clone()
    face[0, 0] = torch.tensor([2.0, 2.0, 12.0, 12.0])
    doubtful[0, 0] = torch.tensor([34.0, 18.0, 46.0, 30.0])
    logits = torch.full((2, len(anchors.corners)), -2.0, requires_grad=True)
    lesson = torch.full_like(logits, 0.8)
    lesson_loss(anchors, logits, lesson, face, doubtful).backward()
    learnt = logits.grad != 0
    assert not learnt[1].any()
    corners = anchors.corners
    on_a_face, on_a_doubt = (
        ((corners[:, :2] < box[2:]) & (corners[:, 2:] > box[:2])).all(1)
        for box in (face[0, 0], doubtful[0, 0])
    )
    assert (on_a_face != on_a_doubt).any()
    assert not (on_a_face | on_a_doubt).all()
    torch.testing.assert_close(learnt[0], on_a_face | on_a_doubt)
    nothing = lesson_loss(anchors, logits, lesson, nobody, nobody)
    assert nothing.item() == 0


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_give_what_their_levels_say(name, channels):
    architecture = ARCHITECTURES[name]
    levels = architecture.levels((0.8, 1.2), 128)
    network = architecture.build(levels, 0.5, channels, None).eval()
    side = 2 * architecture.multiple
    given = network(torch.zeros(2, channels, side, 2 * side))
    for level, output in zip(levels, given, strict=True):
        assert output.shape == (2, 5 * len(level.shapes), *level.grid(side, 2 * side))
