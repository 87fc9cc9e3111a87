"""What becomes of the detector that ships once a successor is trained; the training takes hours."""

import zipfile

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.errors import UserError  # noqa: E402
from facectrl_fast.training import package_detector  # noqa: E402
from facectrl_fast.training.detector_run import DetectorResult  # noqa: E402

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("precision", "kept", "told"),
    [
        (0.92, b"successor", "is new: average precision 0.920, before 0.910"),
        (0.90, b"packaged", "is kept: average precision 0.900, before 0.910"),
    ],
)
def test_the_better_one_ships(tmp_path, monkeypatch, capsys, precision, kept, told):
    """Of the detector, and of what looks closely for it."""
    packaged = tmp_path / "faces.onnx", tmp_path / "faces.close.onnx"
    trained = []

    def train(sets, negatives, out, options, *_, teacher, searcher, **__):
        trained.append((options.architecture, (options.width, options.height), teacher, searcher))
        out.mkdir()
        (out / "model.onnx").write_bytes(b"successor")
        (out / "report.html").touch()
        return DetectorResult(
            out / "model.onnx", out / "report.html", 0.0, precision, {teacher: 0.91}
        )

    for path in packaged:
        path.write_bytes(b"packaged")
    monkeypatch.setattr(package_detector, "PACKAGED_DETECTOR", packaged[0])
    monkeypatch.setattr(package_detector, "PACKAGED_CLOSE_LOOKS", packaged[1])
    monkeypatch.setattr(package_detector, "train_detector", train)
    for name in ("portraits", "faceless"):  # prepared before
        (tmp_path / "work" / name).mkdir(parents=True)
    arguments = [str(tmp_path / name) for name in ("data", "backgrounds", "work")]
    assert package_detector.main(arguments) == 0
    assert trained == [
        ("tiny", (208, 160), packaged[0], None),
        ("close", (128, 160), packaged[1], packaged[0]),
    ]
    assert [path.read_bytes() for path in packaged] == [kept, kept]
    assert capsys.readouterr().out.count(told) == 2
    # What a finished run made is not trained anew, nor lost.
    assert package_detector.main(arguments) == 1
    told = capsys.readouterr().err
    for name in ("tiny", "close"):
        assert f"work/{name} holds a finished run: take its model.onnx" in told
    # What was killed in between goes on.
    (tmp_path / "work/close").rename(tmp_path / "work/away")
    assert package_detector.main(arguments) == 0
    assert len(trained) == 3


def test_backgrounds_are_pictures_and_those_of_archives_but_no_links_and_drawn_faces(tmp_path):
    names = ["Surface.png", "interface.jpg", "Face.png", "people/lamp.png", "user-home.webp"]
    for gray, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((20, 30, 3), gray, np.uint8))
    (tmp_path / "alias.png").symlink_to("Surface.png")
    with zipfile.ZipFile(tmp_path / "textures.pk3", "w") as archive:
        for gray, name in ((50, "floor.png"), (51, "portraits/king.png")):
            coded = cv2.imencode(".png", np.full((20, 30, 3), gray, np.uint8))[1]
            archive.writestr(name, coded.tobytes())
    found = [int(np.median(image)) for image in package_detector._pictures(tmp_path)]
    assert sorted(found) == [0, 1, 50]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_what_is_transparent_is_also_seen_before_a_plain_wall(kind):
    most = np.iinfo(kind).max
    lamp = np.full((40, 60, 4), most, kind)
    lamp[:, :30, 3] = 0
    lamp[:, 30:45, 3] = most // 2
    walls = set()
    for gray in (0, most // 3, most):
        lamp[:, :30, :3] = gray  # of no consequence, but others bytes of the file
        plain, image = package_detector._decoded(cv2.imencode(".png", lamp)[1].tobytes())
        assert image.shape == (40, 60, 3)
        assert np.abs(plain[:, :30] - gray * 255.0 / most).max() <= 1
        wall = image[0, 0, 0]
        assert (image[:, :30] == wall).all()
        assert np.abs(image[:, 30:45] - (255 + float(wall)) / 2).max() <= 1
        assert (image[:, 45:] == 255).all()
        walls.add(int(wall))
    assert len(walls) > 1


def test_copies_of_any_size_are_one_background(tmp_path, monkeypatch):
    """A stand-in for YuNet, which sees no faces in these, and costs a model's file."""

    class Nobody:
        def __init__(self, *_, **__):
            pass

        def detect(self, *_):
            return []

    monkeypatch.setattr(package_detector, "YuNetDetector", Nobody)
    rng = np.random.default_rng(0)
    big = cv2.resize(rng.integers(0, 255, (9, 12, 3), np.uint8), (256, 192))
    other = cv2.resize(rng.integers(0, 255, (9, 12, 3), np.uint8), (256, 192))
    half = cv2.resize(big, (128, 96), interpolation=cv2.INTER_AREA)
    for name, image in (("big", big), ("half", half), ("other", other)):
        (tmp_path / "theme").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"theme/{name}.png"), image)
    patches = {"input": np.full((2, 64, 64, 3), 9, np.uint8), "target": np.array([[0], [1]])}
    np.savez(tmp_path / "patches.npz", **patches)
    given = tmp_path / "patches.npz", tmp_path / "yunet.onnx"
    package_detector.gather_backgrounds(tmp_path / "theme", *given, tmp_path / "out")
    # Two, and the patch without a face.
    assert len(list((tmp_path / "out").iterdir())) == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures without faces"):
        package_detector.gather_backgrounds(tmp_path / "empty", *given, tmp_path / "none")
