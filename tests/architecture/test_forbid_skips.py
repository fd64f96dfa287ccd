import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.mark.parametrize(
    ("forbid", "body", "expected"),
    [
        ("1", "pytest.skip('a program is missing')", 1),
        ("0", "pytest.skip('a program is missing')", 0),
        ("1", "pass", 0),
    ],
)
def test_a_skip_fails_the_run_where_skips_are_forbidden(tmp_path: Path, forbid: str, body: str, expected: int) -> None:
    """Otherwise a test that never runs would look like one that passes."""
    (tmp_path / "test_it.py").write_text(f"import pytest\n\ndef test_it():\n    {body}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "forbid_skips", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        env=os.environ | {"TOCSIN_FORBID_SKIPS": forbid, "PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == expected, done.stdout
