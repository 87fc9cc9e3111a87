"""Every command line of the documentation runs.

What would take hours, or wait for somebody before the camera, runs with a few options more, which
make it short; the files that it names are small ones of the same kind.
"""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from facectrl_fast.cli import main
from facectrl_fast.models import DEMO_PHOTO, PACKAGED_DETECTOR, PACKAGED_MODEL
from tests.conftest import SHARED_DATA
from tests.models import brightness_identity
from tests.pictures import empty_room, face_in_portrait, portrait, write_recording
from tests.test_plugins import install_examples

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = re.compile(r"^    (?:\.venv/bin/)?(facectrl-fast .*|make .*)$", re.MULTILINE)


def commands():
    """(page, words) of each, once."""
    found = {}
    for page in PAGES:
        text = page.read_text().replace("\\\n        ", "")
        for line in PROGRAM.findall(text):
            words = tuple(shlex.split(line.partition(" >")[0], comments=True))
            found.setdefault(words, page)
    return [(page, words) for words, page in found.items()]


MORE = {
    ("run",): ("--source", "clip.mp4", "--dry-run", "--no-realtime"),
    ("calibrate",): ("--on", "on.mp4", "--off", "off.mp4"),
    ("setup",): ("--yes", "--no-camera", "--no-calibrate", "--no-try", "--no-service"),
    ("enroll",): ("--source", "clip.mp4"),
    ("watch",): ("--no-realtime",),
    ("train",): ("--out", "trained", "--epochs", "1"),
    ("train", "detector"): (
        *("--out", "trained", "--steps", "2", "--batch-size", "4", "--validation-scenes", "50"),
    ),
    ("train", "identity"): ("--out", "trained", "--epochs", "1", "--folds", "2", "--side", "64"),
    ("train", "score"): ("--out", "trained", "--epochs", "1", "--side", "64"),
    ("evaluate-detector",): ("--every", "40"),
}
"""Options behind those that are told, by the first words of the command."""
NOBODY_THERE = ("hold", "release", "service", "doctor", "setup", "status")
"""Without a desktop they say so in a line, and end with status 1."""
MADE_BEFORE = {
    "runs/patches": "train faceness faces.npz --out runs/patches --epochs 1",
    "runs/score": "train score set --out runs/score --epochs 1 --side 64",
}
"""What makes the folders that only some of the commands need."""


def marks(words):
    named = " ".join(words)
    if any(folder in named for folder in MADE_BEFORE) or words[1] == "train":
        yield pytest.mark.train
    if "yunet.onnx" in named:
        yield pytest.mark.acceptance
    yield pytest.mark.timeout(300)


def more(words):
    """The longest entry of MORE that fits."""
    fitting = [first for first in MORE if words[1 : 1 + len(first)] == first]
    return MORE[max(fitting, key=len)] if fitting else ()


CASES = [
    pytest.param(words, id=f"{page.name}: {' '.join(words)}", marks=list(marks(words)))
    for page, words in commands()
    if words[0] == "facectrl-fast"
]
TARGETS = [
    pytest.param(words, id=f"{page.name}: {' '.join(words)}")
    for page, words in commands()
    if words[0] == "make"
]


ELSEWHERE = {
    "busctl": "tests/desktop/test_control.py",
    "systemd-analyze": "tests/test_service.py",
    "pip": "tests/packaging/test_wheel.py",
    "git": "tests/test_doc_commands.py",  # what follows it is a target, and among those
}
"""Where other programs' commands are run."""


def test_what_does_not_run_here_runs_elsewhere():
    line = re.compile(r"^    (?:\.venv/bin/)?([a-z-]+) .*$", re.MULTILINE)
    programs = {found for page in PAGES for found in line.findall(page.read_text())}
    assert programs - {"facectrl-fast", "make"} == ELSEWHERE.keys()
    for program, test in ELSEWHERE.items():
        assert program in (ROOT / test).read_text()


def test_there_are_some():
    assert len(CASES) > 20
    assert len(TARGETS) >= 2


@pytest.mark.parametrize("words", TARGETS)
def test_make_knows_its_targets(words):
    done = subprocess.run(
        ["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def write_people(folder):
    """Some who differ by the shade of their faces."""
    rng = np.random.default_rng(0)
    for person in range(10):
        (folder / f"P{person}").mkdir(parents=True)
        for number in range(1, 5):
            shade = 0.3 + 0.07 * person + rng.normal(0, 0.01)
            image = np.clip(portrait(0.8, size=(250, 250)) * shade, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"P{person}" / f"P{person}_{number:04}.jpg"), image)


def write_faces(folder, annotations, prefix=""):
    """Portraits, and WIDER FACE's annotation of them."""
    lines = []
    for number in range(24):
        name = f"{prefix}{chr(97 + number)}__{number}.jpg"
        scale = 0.7 + 0.02 * number
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), portrait(scale, size=(320, 240)))
        box = face_in_portrait(scale, (320, 240))
        lines += [name, "1", " ".join(str(round(side)) for side in box) + " 0 0 0 0 0 0"]
    annotations.parent.mkdir(parents=True, exist_ok=True)
    annotations.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """All that the documentation names, small."""
    made = tmp_path_factory.mktemp("files")
    write_recording(made / "clip.mp4", headphones=True)
    write_recording(made / "on.mp4", headphones=True)
    write_recording(made / "off.mp4")
    (made / "clip.json").write_text(json.dumps({"schedule": [{"t": 0, "state": "on"}]}))
    shutil.copyfile(DEMO_PHOTO, made / "photo.jpg")
    brightness_identity(made / "identity.onnx", similarity=-1.0)
    for name, model in (("mine", PACKAGED_MODEL), ("faces", PACKAGED_DETECTOR)):
        (made / "runs" / name).mkdir(parents=True)
        shutil.copyfile(model, made / "runs" / name / "model.onnx")
    (made / "runs/identity").mkdir()
    brightness_identity(made / "runs/identity/model.onnx")
    write_people(made / "people")
    rows = [f"P{k}_0001.jpg,P{k}_0002.jpg,P{(k + 1) % 6}_0001.jpg" for k in range(6)]
    rows = [re.sub(r"(P\d)_", r"\1/\1_", row) for row in rows]
    (made / "test_set.csv").write_text("Anchor,Positive,Negative\n" + "\n".join(rows) + "\n")
    for part in ("train", "val"):
        write_faces(
            made / f"wider/WIDER_{part}/images",
            made / f"wider/wider_face_split/wider_face_{part}_bbx_gt.txt",
            "0--Some/",
        )
    for folder in ("mine", "others"):
        for label in ("on", "off"):
            (made / folder / label).mkdir(parents=True)
            for number in range(24):
                image = portrait(0.5 + 0.01 * number, label == "on", (160, 160))
                cv2.imwrite(str(made / folder / label / f"p{number % 8}__{number}.png"), image)
    write_faces(made / "mine", made / "mine_bbx_gt.txt", "faces/")
    shutil.copytree(made / "others", made / "DATASET")
    shutil.copytree(made / "others/on", made / "FOLDER")
    (made / "rooms").mkdir()
    for number in range(4):
        cv2.imwrite(str(made / f"rooms/{number}.jpg"), empty_room((320, 240)))
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 255, (80, 64, 64, 3), dtype=np.uint8)
    patches[:40] //= 3
    np.savez(made / "faces.npz", input=patches, target=np.repeat([[1], [0]], 40, 0))
    (made / "set/Images").mkdir(parents=True)
    lines = []
    for number in range(20):
        image = np.clip(portrait(0.8, size=(96, 96)) * (0.5 + number / 40), 0, 255)
        cv2.imwrite(str(made / f"set/Images/{number}.jpg"), image.astype(np.uint8))
        lines.append(f"{number}.jpg {number / 4}")
    (made / "set/All_labels.txt").write_text("\n".join(lines) + "\n")
    if SHARED_DATA.is_dir():
        yunet = SHARED_DATA / "models/face_detection_yunet_2023mar.onnx"
        shutil.copyfile(yunet, made / "yunet.onnx")
        shutil.copyfile(SHARED_DATA / "video/cap13_off.mp4", made / "franck.mp4")
    return made


def random_weights(path):
    """As torchvision names MobileNetV2's."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all does")
    from facectrl_fast.training.mobilenet import MobileNetV2

    torch.manual_seed(0)
    named = {f"features.{k}": v for k, v in MobileNetV2().features.state_dict().items()}
    named["features.0.0.weight"] = named["features.0.0.weight"].repeat(1, 3, 1, 1) / 3
    torch.save(named, path)


@pytest.mark.parametrize("words", CASES)
def test_it_runs(words, files, tmp_path, monkeypatch, no_bus, capsys):
    work = tmp_path / "work"
    shutil.copytree(files, work)
    monkeypatch.chdir(work)
    install_examples(tmp_path / "site", monkeypatch)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    if "mobilenet_v2-b0353104.pth" in words:
        random_weights(work / "mobilenet_v2-b0353104.pth")
    for folder, command in MADE_BEFORE.items():
        if any(word.startswith(folder) for word in words) and words[1] != "train":
            assert main(shlex.split(command)) == 0
    if "--owner" in words:
        assert main(["enroll", "Ada", "photo.jpg", "--identity-model", "identity.onnx"]) == 0
    capsys.readouterr()
    status = main([*words[1:], *more(words)])
    told = capsys.readouterr().err
    if words[1] in NOBODY_THERE:
        assert status in (0, 1), told
    else:
        assert status == 0, told
    assert "Traceback" not in told
