"""AI Model Engineering: a course that is run.

What a learner imports: `Lab`, `load_model`, `available_models`. Each is fetched when it is first
used, so that `import labkit` stays quick and loads no torch. This file and `__main__.py` must parse
under any Python since 2.7: an old one has to reach the message that says it is too old.
"""

__version__ = "0.1.0"
__all__ = ["Lab", "available_models", "load_model"]

MYPY = False
if MYPY:  # what a type checker reads instead of __getattr__
    from labkit.course.session import Lab
    from labkit.models import available_models, load_model

_HOMES = {
    "Lab": "labkit.course.session",
    "available_models": "labkit.models",
    "load_model": "labkit.models",
}


def __getattr__(name):  # type: (str) -> object
    if name not in _HOMES:
        raise AttributeError("module 'labkit' has no attribute {!r}".format(name))
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__():  # type: () -> list[str]
    return sorted(set(globals()) | set(__all__))
