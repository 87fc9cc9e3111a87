"""Enrolling somebody, from a recording and from pictures, and running for them alone."""

import cv2
import numpy as np
import pytest

from facectrl_fast.build import build_analyzer
from facectrl_fast.cli import main
from facectrl_fast.config import RunOptions
from facectrl_fast.errors import UserError
from facectrl_fast.models import user_identity_models
from facectrl_fast.people import People, Person
from facectrl_fast.types import Verdict
from facectrl_fast.vision.identity import IdentityModel
from tests.models import brightness_identity
from tests.pictures import as_frames, portrait, write_recording


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def model(tmp_path):
    return brightness_identity(tmp_path / "identity.onnx")


def enroll(*arguments):
    return main(["enroll", *map(str, arguments)])


def verdict(brightness):
    """What a face in this light is taken for, when only Ada counts."""
    analyzer = build_analyzer(RunOptions(mode="presence", owner="Ada", detector="haar"))
    image = np.clip(portrait(0.9) * brightness, 0, 255).astype(np.uint8)
    return [analyzer.analyze(frame).verdict for frame in as_frames([image] * 3)][-1]


def test_a_recording_makes_somebody_known(tmp_path, model, capsys):
    video = write_recording(tmp_path / "ada.mp4")
    assert enroll("Ada", "--source", video, "--identity-model", model) == 0
    assert "'Ada' is known by 16 faces" in capsys.readouterr().out
    (kept,) = user_identity_models().iterdir()
    assert kept.read_bytes() == model.read_bytes()
    assert verdict(1.0) is Verdict.PRESENT
    assert verdict(0.4) is Verdict.UNSURE


def test_pictures_make_somebody_known(tmp_path, model, capsys):
    (tmp_path / "pictures").mkdir()
    for k, brightness in enumerate((0.95, 1.0, 1.05)):
        image = np.clip(portrait(0.9) * brightness, 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"pictures/{k}.png"), image)
    cv2.imwrite(str(tmp_path / "pictures/wall.png"), np.full((200, 200, 3), 90, np.uint8))
    assert enroll("Ada", tmp_path / "pictures", "--identity-model", model) == 0
    told = capsys.readouterr().out
    assert "wall.png shows no face" in told
    assert "known by 3 faces" in told
    assert verdict(1.0) is Verdict.PRESENT
    assert verdict(0.4) is Verdict.UNSURE


def test_who_looks_the_same_to_the_model_is_told_of(tmp_path, model, capsys):
    picture = tmp_path / "ada.png"
    cv2.imwrite(str(picture), portrait(0.9))
    assert enroll("Ada", picture, "--identity-model", model) == 0
    assert enroll("Bob", picture) == 0
    assert "can hardly tell 'Bob' from 'Ada'" in capsys.readouterr().out


def test_another_model_for_somebody_else_leaves_who_was_known_as_they_were(tmp_path, model):
    video = write_recording(tmp_path / "ada.mp4")
    picture = tmp_path / "bob.png"
    cv2.imwrite(str(picture), portrait(0.9))
    assert enroll("Ada", "--source", video, "--identity-model", model) == 0
    another = brightness_identity(tmp_path / "another.onnx", similarity=-0.03)
    assert another.read_bytes() != model.read_bytes()
    assert enroll("Bob", picture, "--identity-model", another) == 0
    assert verdict(1.0) is Verdict.PRESENT
    assert enroll("Cy", picture) == 0
    assert People().get("Cy").model == People().get("Bob").model, "the newest one is used"


def test_who_is_nearer_to_somebody_else_is_not_the_owner(tmp_path, model):
    digest = IdentityModel(model).digest
    picture = np.clip(portrait(0.9), 0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "ada.png"), picture)
    assert enroll("Ada", tmp_path / "ada.png", "--identity-model", model) == 0
    points = People().get("Ada").points
    assert verdict(1.0) is Verdict.PRESENT
    People().keep(Person("Ada", digest, points - 0.06))
    assert verdict(1.0) is Verdict.PRESENT
    People().keep(Person("Bob", digest, points + 0.05))
    assert verdict(1.0) is Verdict.UNSURE
    People().keep(Person("Bob", digest, points - 0.05))
    assert verdict(1.0) is Verdict.PRESENT, "the model can hardly tell them apart"


def test_faces_of_several_people_make_nobody_known(tmp_path, model, capsys):
    pictures = []
    for k, brightness in enumerate((0.4, 1.0, 0.45, 1.05)):
        pictures.append(tmp_path / f"{k}.png")
        image = np.clip(portrait(0.9) * brightness, 0, 255).astype(np.uint8)
        cv2.imwrite(str(pictures[-1]), image)
    assert enroll("Ada", *pictures, "--identity-model", model) == 1
    assert "was there somebody else?" in capsys.readouterr().err
    assert People().names() == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["Ada"], "there is no model that recognises people"),
        (["../Ada"], "is no name"),
        (["Ada", "--identity-model", "/nowhere.onnx"], "does not exist"),
        (["Ada", "/nowhere.png", "--identity-model", "MODEL"], "cannot read /nowhere.png"),
        (["Ada", "--source", "/nowhere.mp4", "--identity-model", "MODEL"], "/nowhere.mp4"),
        (["Ada", "--source", "EMPTY", "--identity-model", "MODEL"], "only 0 faces were seen"),
    ],
)
def test_bad_input_is_told_in_a_line(tmp_path, model, capsys, arguments, complaint):
    empty = write_recording(tmp_path / "empty.mp4", there=False, seconds=2)
    named = {"MODEL": str(model), "EMPTY": str(empty)}
    assert enroll(*(named.get(argument, argument) for argument in arguments)) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1
    assert People().names() == []


def test_points_of_another_model_are_refused(tmp_path, model):
    points = np.array([[0.5, 0.5]], np.float32)
    options = RunOptions(owner="Ada", identity_model=model)
    with pytest.raises(UserError, match="there is no 'Ada'"):
        build_analyzer(options)
    People().keep(Person("Ada", "another", points))
    with pytest.raises(UserError, match="was enrolled with another model"):
        build_analyzer(options)


def test_a_headphone_model_recognises_nobody(tmp_path, capsys):
    from facectrl_fast.models import PACKAGED_MODEL

    assert enroll("Ada", "--identity-model", PACKAGED_MODEL) == 1
    assert "is a model for the task 'headphones', not for 'identity'" in capsys.readouterr().err
