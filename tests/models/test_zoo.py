"""Loading models: bundled and checked, from a folder, and every way in which it can fail."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from labkit.models import ModelUnavailable, available_models, load_model, zoo
from tests.models.tiny import save_tiny_model


@pytest.fixture
def copy_of_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundled base model in a place where it may be damaged."""
    shutil.copytree(zoo.WEIGHTS / "base", tmp_path / "base")
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    return tmp_path / "base"


def test_the_base_model_loads_offline_as_float32_in_eval_mode() -> None:
    model, tokenizer = load_model("base")
    assert "base" in available_models()
    assert model.dtype == torch.float32 and not model.training
    assert tokenizer.pad_token_id is not None


@pytest.mark.parametrize("name", available_models())
def test_every_bundled_model_loads_as_the_class_that_it_was_saved_as(name: str) -> None:
    model, reader = zoo.load_bundled(name)
    assert [type(model).__name__] == model.config.architectures
    assert reader.pad_token_id is not None if hasattr(reader, "pad_token_id") else reader.tokenizer


def test_shapes_suit_the_quantizers() -> None:
    config = load_model("base")[0].config
    assert config.hidden_size % 256 == 0 and config.intermediate_size % 256 == 0
    assert config.hidden_size // config.num_attention_heads in (32, 64)


def test_the_shipped_weights_are_bfloat16_and_small() -> None:
    from safetensors import safe_open

    file = zoo.WEIGHTS / "base" / "model.safetensors"
    assert file.stat().st_size <= 16e6
    with safe_open(file, "pt") as tensors:
        assert {tensors.get_tensor(name).dtype for name in tensors.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_a_flipped_bit_is_found_and_both_checksums_are_shown(copy_of_base: Path) -> None:
    file = copy_of_base / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    expected = zoo.sha256_of(file)
    file.write_bytes(content)
    with pytest.raises(ModelUnavailable) as caught:
        load_model("base")
    message = str(caught.value)
    assert str(file) in message and "damaged" in message and "git checkout" in message
    assert str(expected) in message and str(zoo.sha256_of(file)) in message


def test_a_missing_file_is_named(copy_of_base: Path) -> None:
    (copy_of_base / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json is missing"):
        load_model("base")


def test_a_folder_loads_by_its_path(tmp_path: Path) -> None:
    saved = save_tiny_model(tmp_path)
    model, _ = load_model(str(tmp_path))
    assert torch.equal(model.lm_head.weight, saved.lm_head.weight)


def test_unknown_names_give_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="base"):
        load_model("bass")
    with pytest.raises(LookupError, match=r"config\.json"):
        load_model(str(tmp_path / "nothing"))


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    """A folder with only a pickle must not load: unpickling runs code."""
    save_tiny_model(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="safetensors"):
        load_model(str(tmp_path))


def test_loading_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    load_model("base")
    assert capfd.readouterr() == ("", "")
