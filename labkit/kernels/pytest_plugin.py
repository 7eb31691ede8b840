"""Warm kernels for nbval: `LABKIT_ZYGOTE=... pytest -p labkit.kernels.pytest_plugin --nbval ...`"""

from __future__ import annotations

import os

from labkit.kernels import ADDRESS


def pytest_configure() -> None:
    """Where a zygote is named, all kernels of this run come from it if they can."""
    if os.environ.get(ADDRESS):
        from labkit.kernels.install import register

        register(default=True)
