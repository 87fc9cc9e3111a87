"""Real, small training runs of patch classifiers."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.cli import main  # noqa: E402
from facectrl_fast.types import overlap  # noqa: E402
from facectrl_fast.vision.faceness import SIDE, FacenessModel  # noqa: E402

pytestmark = pytest.mark.train


def patch(rng, face):
    """A bright disc is what passes for a face here."""
    image = cv2.resize(rng.integers(0, 120, (4, 4, 3), dtype=np.uint8), (SIDE, SIDE))
    if face:
        cv2.circle(image, (32, 32), 24, (200, 220, 240), -1)
    return image


@pytest.fixture
def patches(tmp_path):
    rng = np.random.default_rng(0)
    target = np.arange(160) % 2
    path = tmp_path / "patches.npz"
    np.savez(
        path,
        input=np.stack([patch(rng, label) for label in target]),
        target=target[:, None].astype(np.uint8),
    )
    return path


@pytest.mark.parametrize("architecture", ["seed", "small"])
def test_it_learns_and_finds_faces_in_pictures(patches, tmp_path, capsys, architecture):
    out = tmp_path / "run"
    arguments = ["--out", str(out), "--arch", architecture, "--epochs", "20", "--batch-size", "16"]
    assert main(["train", "faceness", str(patches), *arguments]) == 0
    assert "ROC AUC 1.0000" in capsys.readouterr().out
    page = (out / "report.html").read_text()
    for name in ("curves", "roc", "mistakes"):
        assert f'src="{name}.png"' in page
        assert (out / f"{name}.png").stat().st_size > 1000
    assert "binary accuracy" in (out / "card.md").read_text()
    picture = np.full((200, 260, 3), 40, np.uint8)
    cv2.circle(picture, (80, 90), 36, (200, 220, 240), -1)
    cv2.imwrite(str(tmp_path / "picture.png"), picture)
    model = ["--model", str(out / "model.onnx")]
    assert main(["detect", str(tmp_path / "picture.png"), *model]) == 0
    biggest = capsys.readouterr().out.splitlines()[0]
    box = tuple(float(side) for side in biggest.split(": ")[1].split(";")[0].split(","))
    assert overlap(box, (44, 54, 72, 72)) > 0.4
    drawn = cv2.imread(str(tmp_path / "picture_faces.png"))
    assert drawn.shape == picture.shape
    assert (drawn != picture).any()


def test_probabilities_are_of_each_patch(patches, tmp_path):
    out = tmp_path / "run"
    assert main(["train", "faceness", str(patches), "--out", str(out), "--epochs", "3"]) == 0
    model = FacenessModel(out / "model.onnx")
    rng = np.random.default_rng(3)
    batch = np.stack([patch(rng, face) for face in (True, False)])
    sure = model.probabilities(np.moveaxis(batch, 3, 1).astype(np.float32) / 255)
    assert sure.shape == (2,)
    assert sure[0] > sure[1]


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"input": np.zeros((30, 64, 64, 3), np.uint8)}, "'input' and 'target'"),
        (
            {"input": np.zeros((30, 32, 32, 3), np.uint8), "target": np.zeros((30, 1))},
            "wanted is uint8",
        ),
        ({"input": np.zeros((30, 64, 64, 3)), "target": np.zeros((30, 1))}, "wanted is uint8"),
        (
            {"input": np.zeros((30, 64, 64, 3), np.uint8), "target": np.zeros((29, 1))},
            "a 0 or a 1 for each",
        ),
        (
            {"input": np.zeros((30, 64, 64, 3), np.uint8), "target": np.full((30, 1), 2)},
            "a 0 or a 1 for each",
        ),
        (
            {"input": np.zeros((30, 64, 64, 3), np.uint8), "target": np.zeros((30, 1))},
            "at least 10 faces and 10 others",
        ),
        (
            {"input": np.array([{}], object), "target": np.zeros((30, 1))},
            "'input' and 'target'",
        ),
    ],
)
def test_what_is_no_set_of_patches_is_told(tmp_path, capsys, arrays, complaint):
    np.savez(tmp_path / "some.npz", **arrays)
    out = tmp_path / "run"
    assert main(["train", "faceness", str(tmp_path / "some.npz"), "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize("content", [None, b"", b"nonsense", b"PK\x03\x04broken"])
def test_a_file_that_cannot_be_read_is_told(tmp_path, capsys, content):
    path = tmp_path / "some.npz"
    if content is not None:
        path.write_bytes(content)
    assert main(["train", "faceness", str(path), "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert "some.npz" in error
    assert len(error.splitlines()) == 1
