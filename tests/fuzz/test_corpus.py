"""What fuzzing found once stays as it is now: read, or refused in a line."""

import pytest

from tests.fuzz.parsers import PARSERS
from tests.fuzz.run import CORPUS, NATIVE

CASES = [(name, path) for name in PARSERS for path in sorted((CORPUS / name).glob("*"))]


@pytest.mark.parametrize(("name", "path"), CASES, ids=lambda case: getattr(case, "name", case))
def test_a_parser_reads_or_refuses(name, path):
    PARSERS[name](path.read_bytes())


def test_each_fuzzer_has_something_to_begin_with():
    assert {path.name for path in CORPUS.iterdir() if any(path.iterdir())} == {*PARSERS, *NATIVE}
