"""The fuzzers bite: a defect that was put in is found in seconds."""

import shutil

import pytest

from tests.fuzz.run import ROOT, build_native, fuzz, parser_command
from tests.native.build import with_defect

pytestmark = pytest.mark.fuzz

LONG_ENOUGH = 60
"""Seconds; it ends with the first find."""


@pytest.mark.parametrize(
    ("name", "defect", "complaint"),
    [
        # Rows are a byte apart.
        (
            "jpeg_luma",
            ("jpeg_luma.cpp", "* jpeg.output_width;", "* (jpeg.output_width + 1);"),
            "heap-buffer-overflow",
        ),
        # Boxes that are no numbers are handed out.
        (
            "box_decode",
            ("box_decode.cpp", "if (is_usable(box)) boxes", "if (is_usable(box) || true) boxes"),
            "std::isfinite(value)",
        ),
        # What a reader holds is handed to the writer.
        (
            "frame_ring",
            ("frame_ring.cpp", "slots_[latest_].readers == 0) {", "true) {"),
            "is_shade",
        ),
    ],
)
def test_native(tmp_path, name, defect, complaint):
    core = with_defect(tmp_path, *defect)
    command = build_native([name], tmp_path / "build", core)[name]
    done = fuzz(name, command, LONG_ENOUGH, tmp_path / "work")
    assert done.returncode != 0
    assert complaint in done.stdout


@pytest.mark.parametrize(
    ("name", "source", "right", "wrong", "complaint"),
    [
        (
            "annotations",
            "dataset/wider.py",
            "if any(len(face) < 4 for face in faces):",
            "if False:",
            "not enough values to unpack",
        ),
        (
            "archive",
            "dataset/archive.py",
            # One level up, and no farther: a fuzzer tries what is possible.
            '".." in name.parts',
            'name.parts.count("..") > 1',
            "AssertionError",
        ),
    ],
)
def test_parsers(tmp_path, name, source, right, wrong, complaint):
    ignored = shutil.ignore_patterns("__pycache__", "corpus")
    shutil.copytree(ROOT / "facectrl_fast", tmp_path / "facectrl_fast", ignore=ignored)
    shutil.copytree(ROOT / "tests/fuzz", tmp_path / "tests/fuzz", ignore=ignored)
    (tmp_path / "tests/__init__.py").touch()
    damaged = tmp_path / "facectrl_fast" / source
    text = damaged.read_text()
    assert text.count(right) == 1, f"{source} has changed: choose another defect"
    damaged.write_text(text.replace(right, wrong))
    done = fuzz(name, parser_command(name), LONG_ENOUGH, tmp_path / "work", tmp_path)
    assert done.returncode != 0
    assert complaint in done.stdout
