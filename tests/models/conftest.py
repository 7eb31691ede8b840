"""A base model of the tiny shape, for what starts from one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.tiny import save_tiny_model


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained model with its tokenizer."""
    folder = tmp_path_factory.mktemp("tiny_base")
    save_tiny_model(folder)
    return folder
