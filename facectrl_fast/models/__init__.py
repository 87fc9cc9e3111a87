"""Files that ship with the program; README.md beside them says where they come from."""

from pathlib import Path

from facectrl_fast.files import base_folder

_HERE = Path(__file__).parent

PACKAGED_MODEL = _HERE / "headphones.onnx"
"""The headphone classifier used by default."""
PACKAGED_DETECTOR = _HERE / "faces.onnx"
"""The face detector used by default."""
PACKAGED_CLOSE_LOOKS = _HERE / "faces.close.onnx"
"""What looks closely for it."""
ANCHORS = _HERE / "anchors.npz"
"""What the packaged model makes of strangers, for calibration."""
DEMO_PHOTO = _HERE / "astronaut.jpg"
"""A portrait in the public domain, for the demo."""


def user_data() -> Path:
    """Where the user's own model and calibration sessions are."""
    return base_folder("XDG_DATA_HOME", ".local/share") / "facectrl-fast"


def user_model() -> Path:
    """Where ``calibrate`` writes the user's model."""
    return user_data() / "headphones.onnx"


def user_identity_models() -> Path:
    """Where ``enroll`` keeps the models that people were enrolled with, called by their digest."""
    return user_data() / "identity"


def default_model() -> Path:
    """The user's own model where there is one, else the packaged one."""
    own = user_model()
    return own if own.exists() else PACKAGED_MODEL
