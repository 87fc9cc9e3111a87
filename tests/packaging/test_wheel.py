"""Wheels: what is in them, that they are the same each time, and that they run."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"


IN_A_SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
for module in ("facectrl_fast._native", "facectrl_fast.decide._vote"):
    try:
        failed = interpreters.run_string(interpreters.create(), f"import {module}")
    except interpreters.RunFailedError as error:
        failed = error
    print(module, getattr(failed, "formatted", failed))
"""


def run(*command, cwd=ROOT, **environment):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def build(source, out, *what):
    """As a release is built: in an environment of its own, of fixed versions."""
    pinned = {"PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    command = (sys.executable, "-m", "build", *what, "--outdir", out, source)
    run(*command, SOURCE_DATE_EPOCH="1700000000", **pinned)
    return sorted(out.iterdir())


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The sdist, and the wheel made of it; of a copy, since several of these may run at once."""
    source = tmp_path_factory.mktemp("source")
    for name in run("git", "ls-files", "-z").split("\0")[:-1]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    dist = tmp_path_factory.mktemp("dist")
    wheel, sdist = sorted(build(source, dist), key=lambda path: path.suffix, reverse=True)
    return {"wheel": wheel, "sdist": sdist}


def test_the_same_input_gives_the_same_bytes_wherever_it_lies(built, tmp_path):
    shutil.unpack_archive(built["sdist"], tmp_path / "elsewhere")
    (source,) = (tmp_path / "elsewhere").iterdir()
    (again,) = build(source, tmp_path / "again", "--wheel")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (built["wheel"], again)]
    assert digests[0] == digests[1]


def test_types_and_models_ship_and_sources_do_not(built):
    names = zipfile.ZipFile(built["wheel"]).namelist()
    assert {"facectrl_fast/py.typed", "facectrl_fast/_native.pyi"} <= set(names)
    assert "facectrl_fast/models/faces.onnx" in names
    assert "facectrl_fast/models/faces.close.onnx" in names
    assert not [name for name in names if name.endswith((".pyx", ".cpp", ".hpp"))]
    assert not [name for name in names if name.startswith(("tests/", "bench/"))]


def test_it_can_be_repaired_for_many_linuxes(built, tmp_path):
    told = run(BIN / "auditwheel", "show", built["wheel"])
    assert re.search(r"manylinux_2_\d+_", told)
    path = f"{BIN}:{os.environ['PATH']}"
    run(BIN / "auditwheel", "repair", "-w", tmp_path, built["wheel"], PATH=path)
    (repaired,) = tmp_path.glob("*.whl")
    assert "manylinux" in repaired.name
    assert any("libjpeg" in name for name in zipfile.ZipFile(repaired).namelist())


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_cibuildwheel_builds_for_each_python_that_is_supported(machine):
    told = run(
        BIN / "cibuildwheel",
        "--print-build-identifiers",
        "--platform",
        "linux",
        "--archs",
        machine,
        ROOT,
    )
    assert told.split() == [f"cp3{minor}-manylinux_{machine}" for minor in range(10, 15)]


BUILDS = """
import ensurepip, pathlib, sysconfig
assert (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists()
"""


def test_releases_are_built_by_the_version_that_is_tried_here():
    workflow = (ROOT / ".github/workflows/wheels.yml").read_text()
    assert f"pypa/cibuildwheel@v{version('cibuildwheel')}\n" in workflow


def find_python(minor):
    """One that can build what has no wheel, pyenv's as well; a name alone may be one that fails."""
    name = f"python3.{minor}"
    installed = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/{name}"))
    for path in filter(None, (shutil.which(name), *map(str, installed))):
        if subprocess.run([path, "-c", BUILDS], capture_output=True, check=False).returncode == 0:
            return path
    return pytest.skip(f"there is no {name} here that can build")


@pytest.mark.parametrize("minor", range(10, 15))
def test_the_demo_runs_from_it_in_a_clean_environment(built, tmp_path, minor):
    python = find_python(minor)
    run(python, "-m", "venv", tmp_path / "venv")
    pip = tmp_path / "venv/bin/pip"
    tag = run(python, "-c", "import sys; print('cp%d%d' % sys.version_info[:2])").strip()
    given = built["wheel"] if f"-{tag}-" in built["wheel"].name else built["sdist"]
    run(pip, "install", "--quiet", "--disable-pip-version-check", given)
    told = run(tmp_path / "venv/bin/facectrl-fast", "demo", cwd=tmp_path)
    assert "All as it should be." in told
    shutil.copytree(ROOT / "examples/plugins", tmp_path / "plugins")
    asks = (
        "from facectrl_fast import plugins; print('brightest' in plugins.names(plugins.DETECTORS))"
    )
    for command, there in (
        (["install", "--quiet", "--no-deps", tmp_path / "plugins"], "True"),
        (["uninstall", "--quiet", "--yes", "facectrl-fast-examples"], "False"),
    ):
        run(pip, *command)
        assert run(tmp_path / "venv/bin/python", "-c", asks, cwd=tmp_path).strip() == there
    if int(tag[3:]) >= 12:
        said = run(tmp_path / "venv/bin/python", "-c", IN_A_SUBINTERPRETER, cwd=tmp_path)
        assert said.count("does not support loading in subinterpreters") == 2, said
