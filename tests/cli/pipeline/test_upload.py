"""`pipeline upload`."""

import pytest


def test_a_package_is_uploaded_once(run, api, package):
    _, said = run("pipeline", "upload", package)
    assert "uploaded as version imitation-cello-" in said
    _, said = run("pipeline", "upload", package)
    assert "is there already, as version imitation-cello-" in said
    assert len(api.versions) == 1


@pytest.mark.parametrize(
    "text", ["2026-02-30", "[", "\udcff", "{a: [1, 2]}\n---\n{}\n---\n{}", "x"]
)
def test_a_package_that_is_none_is_refused_in_one_sentence(run, api, tmp_path, text):
    path = tmp_path / "practice.yaml"
    path.write_text(text, errors="surrogateescape")
    status, said = run("pipeline", "upload", path)
    assert status == 2
    assert said.count("\n") == 1
    assert f"{path} is no" in said
