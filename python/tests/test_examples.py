"""The example and the notebook run from top to bottom, where what they need is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_baseline_loop_learns_from_clusters(tmp_path):
    for package in ("torch", "PIL", "sklearn"):
        pytest.importorskip(package)
    command = [sys.executable, str(ROOT / "examples/baseline_torch.py"), "--quick", "--world", str(tmp_path / "world")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    scores = re.findall(r"^(before|after) \(synthetic\): mAP ([\d.]+), Rank-1 ([\d.]+)$", done.stdout, re.MULTILINE)
    assert [when for when, *_ in scores] == ["before", "after"], done.stdout
    assert all(0 < float(mean) < 100 for _, mean, _ in scores), done.stdout
    epochs = re.findall(r"^epoch \d: (\d+) clusters .* and (\d+) clusters .*; loss ([\d.]+)", done.stdout, re.MULTILINE)
    assert len(epochs) == 2, done.stdout
    assert all(int(visible) > 1 and int(infrared) > 1 for visible, infrared, _ in epochs), done.stdout


def test_the_notebook_runs_and_shows_pictures(tmp_path):
    for package in ("nbconvert", "ipykernel", "matplotlib", "PIL", "scipy", "sklearn"):
        pytest.importorskip(package)
    import nbformat
    from nbconvert.preprocessors import ExecutePreprocessor

    notebook = nbformat.read(ROOT / "notebooks/clustering.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "commit the notebook without outputs"
    ExecutePreprocessor(timeout=300, kernel_name="python3").preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    outputs = [output for cell in code for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 7
    assert any("equal labels: True" in output.get("text", "") for output in outputs)
