"""Environment variables that labkit gives to processes, each listed once. Standard library only."""

from __future__ import annotations

# Must be there before torch is imported, in a process that shares its machine (sharing.py).
SHARING = {
    "OMP_WAIT_POLICY": "PASSIVE",  # else two threads on a busy machine spin for each other
    "GOMP_SPINCOUNT": "10000",  # but a moment: to sleep and be woken takes the system longer
    "TOKENIZERS_PARALLELISM": "false",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# Where a learner's code is run: one thread, no GPU, no network, no screen, sets in one order.
GRADING = {
    **SHARING,
    **OFFLINE,
    **dict.fromkeys(THREADS, "1"),
    "CUDA_VISIBLE_DEVICES": "",
    "MPLBACKEND": "agg",
    "PYTHONHASHSEED": "0",
}
# Where programs and libraries lie, how text and time are written: no secret is among them.
PUBLIC = (
    *("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TMPDIR", "SYSTEMROOT"),
    *("LANG", "LC_ALL", "TZ"),
)
