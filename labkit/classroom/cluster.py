"""The same grading on a dask.distributed cluster: batches of submissions as idempotent tasks.

Every process of the cluster has one warm grading worker (pool.py) beside it. A batch's name
is made of what it grades, so one that is run twice, because its process was killed, counts once.
Only what replies.py names, and notebooks' bytes, cross; what a learner's code has returned never
does.

The processes of a cluster trust each other: start it on a network of your own, or with TLS.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

from distributed import Client, Future, as_completed

from labkit.classroom.pool import Job, Pool
from labkit.classroom.replies import Fault, Hello, Reply
from labkit.classroom.run import EngineError
from labkit.classroom.settings import Settings
from labkit.grading import fingerprints

BATCH = 10
AHEAD = 2  # batches per process that wait there, so that none is idle
RETRIES = 3
CONNECT_SECONDS = 30


# In the processes of the cluster

_pools: dict[Settings, Pool] = {}
_one_at_a_time = threading.Lock()


def warm_pool(settings: Settings) -> Pool:
    """This process's grading worker, started when it is first needed."""
    if settings not in _pools:
        pool = Pool(settings)
        pool.start_fresh(1)
        _pools[settings] = pool
    return _pools[settings]


def say_hello(settings: Settings) -> Hello:
    """The isolation level and the fingerprint of labkit in this process."""
    with _one_at_a_time:
        return warm_pool(settings).hello


def grade_batch(settings: Settings, hello: Hello, batch: Sequence[Job]) -> list[Reply]:
    """The replies to a batch, in order. A process that is not like the others refuses."""
    with _one_at_a_time:
        pool = warm_pool(settings)
        if pool.hello != hello:
            raise EngineError(f"The processes differ: {difference([hello, pool.hello])}")
        return [pool.ask(0, job) for job in batch]


# In the process that asks


@contextmanager
def cluster(settings: Settings, scheduler: str) -> Iterator[Cluster]:
    """A connection to a cluster; EngineError where there is none, or it can't grade."""
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"No scheduler answers at {scheduler} ({error}). Start one: dask scheduler, then on "
            f"each machine: dask worker {scheduler} --nthreads 1"
        ) from None
    with client:
        yield Cluster(client, settings)


class Cluster:
    """Grades on the processes that are connected to a scheduler."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self.settings = settings
        self.hello = agreed(client.run(say_hello, settings, on_error="return"))

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Reply]]:
        """Every job with its reply, as the batches come."""
        waiting: dict[str, tuple[Job, ...]] = {}
        batches = in_batches(jobs)
        done = as_completed(loop=self.client.loop)
        for batch in batches:
            done.add(self.submit(batch, waiting))
            if len(waiting) >= self.most():
                yield from self.take(next(done), waiting)
        for future in done:
            yield from self.take(future, waiting)

    def most(self) -> int:
        """How many batches may be under way."""
        return AHEAD * max(len(self.client.scheduler_info(n_workers=-1)["workers"]), 1)

    def submit(self, batch: tuple[Job, ...], waiting: dict[str, tuple[Job, ...]]) -> Future:
        """Hand a batch over, under a name made of what is in it."""
        name = f"labkit-grade-{fingerprints.of_text(*(job.key for job in batch))}"
        waiting[name] = batch
        arguments = (self.settings, self.hello, batch)
        return self.client.submit(grade_batch, *arguments, key=name, retries=RETRIES, pure=True)

    def take(
        self, future: Future, waiting: dict[str, tuple[Job, ...]]
    ) -> Iterator[tuple[Job, Reply]]:
        """A finished batch, taken apart; one that failed is a fault of each of its jobs."""
        batch = waiting.pop(str(future.key))
        error = future.exception()
        faults = [Fault(f"the cluster: {type(error).__name__}: {error}")] * len(batch)
        replies: Sequence[Reply] = future.result() if error is None else faults
        future.release()
        yield from zip(batch, replies, strict=True)


def in_batches(jobs: Iterable[Job]) -> Iterator[tuple[Job, ...]]:
    """All jobs, BATCH at a time."""
    source = iter(jobs)
    while batch := tuple(islice(source, BATCH)):
        yield batch


def agreed(hellos: Mapping[str, Hello | Exception]) -> Hello:
    """What all processes say alike, by their addresses; EngineError where there are none, or they
    differ."""
    if not hellos:
        raise EngineError("The scheduler has no workers: start one with dask worker ADDRESS.")
    alike = set[Hello]()
    for address, said in hellos.items():
        if isinstance(said, Exception):
            raise EngineError(f"The worker at {address} can't grade: {said}")
        alike.add(said)
    if len(alike) > 1:
        raise EngineError(f"The cluster's processes differ: {difference(alike)}")
    return alike.pop()


def difference(hellos: Iterable[Hello]) -> str:
    """What processes say of themselves, where that is not the same."""
    said = sorted({f"{hello.isolation}, labkit {hello.package[:12]}" for hello in hellos})
    return f"{'; '.join(said)}. All need the same versions, and the same isolation."
