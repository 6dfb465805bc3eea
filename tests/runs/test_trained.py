"""Finding a trained run by any of its names."""

import pytest

from contractive.runs.trained import TO_GO_ON, Trained, find_trained


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "a" / "checkpoints"
    folder.mkdir(parents=True)
    for name in ("best.ckpt", "last.ckpt"):
        (folder / name).touch()
    (folder.parent / ".hydra").mkdir()
    (folder.parent / ".hydra" / "config.yaml").write_text("seed: 3\n")
    return folder.parent


def test_a_directory_names_its_best_checkpoint_and_else_the_last(run):
    for name in (run, run / "checkpoints"):
        assert find_trained(name) == Trained(run / "checkpoints" / "best.ckpt", run)
        assert find_trained(name, TO_GO_ON) == Trained(run / "checkpoints" / "last.ckpt", run)
    (run / "checkpoints" / "best.ckpt").unlink()
    assert find_trained(run) == Trained(run / "checkpoints" / "last.ckpt", run)


def test_a_checkpoint_is_taken_as_it_is_and_knows_the_run_it_lies_in(run, tmp_path, monkeypatch):
    last = run / "checkpoints" / "last.ckpt"
    assert find_trained(last) == Trained(last, run)
    assert find_trained(last).settings() == {"seed": 3}
    monkeypatch.chdir(run / "checkpoints")
    assert find_trained(last.relative_to(run / "checkpoints")).settings() == {"seed": 3}
    alone = last.rename(tmp_path / "model.ckpt")
    assert find_trained(alone) == Trained(alone, None)
    assert find_trained(alone).settings() == {}


def test_what_names_no_trained_run_is_refused_with_what_would(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no run '.*nowhere'"):
        find_trained(tmp_path / "nowhere")
    lacks = "holds no checkpoints/best.ckpt or last.ckpt"
    with pytest.raises(FileNotFoundError, match=f"{lacks}: name .*/runs/a$"):
        find_trained(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"{lacks}$"):
        find_trained(run / ".hydra")
    with pytest.raises(FileNotFoundError, match=r"holds no checkpoints/last.ckpt$"):
        find_trained(run / ".hydra", TO_GO_ON)


@pytest.mark.parametrize("text", ["seed: [", "- seed"])
def test_settings_that_cannot_be_read_name_their_file(run, text):
    (run / ".hydra" / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"config\.yaml: (is no YAML|holds no settings)"):
        find_trained(run).settings()
