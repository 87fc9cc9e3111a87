"""Files that ship with the program; README.md beside them says where they come from."""

from pathlib import Path

_HERE = Path(__file__).parent

PACKAGED_MODEL = _HERE / "headphones.onnx"
"""The headphone classifier used by default."""
DEMO_PHOTO = _HERE / "astronaut.jpg"
"""A portrait in the public domain, for the demo."""
