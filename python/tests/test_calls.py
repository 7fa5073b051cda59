"""Long calls: other threads go on, Ctrl-C ends them, and nothing ends the interpreter."""

import doctest
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import vireid
import vireid._arrays
import vireid._clustering
import vireid._error
import vireid._evaluation
import vireid._matching
import vireid._network
from conftest import people


@pytest.mark.parametrize(
    "module",
    [vireid._clustering, vireid._error, vireid._evaluation, vireid._matching, vireid._network],
    ids=lambda module: module.__name__,
)
def test_examples_of_docstrings(module):
    assert doctest.testmod(module).failed == 0


def test_every_public_name_says_what_it_is():
    for name in vireid.__all__:
        assert getattr(vireid, name).__doc__, name
        assert name in dir(vireid)


def test_other_threads_go_on():
    features, ticks, done = people(9000, dim=256), [], threading.Event()

    def tick():
        while not done.wait(0.002):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    vireid.cluster(features, k1=30)
    seconds = time.perf_counter() - start
    done.set()
    thread.join()
    during = [tick for tick in ticks if start < tick < start + seconds]
    # With the lock kept, there would be none.
    assert len(during) > 10, (seconds, len(during))


LONG = """
import signal, sys, time, numpy as np, vireid
# Whoever runs the tests may have had it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
rows = np.random.default_rng(0).normal(size=({rows}, 256)).astype(np.float32)
print("begun", flush=True)
try:
    {call}
except KeyboardInterrupt:
    print("stopped", flush=True)
    # Work that went on would be seen here.
    time.sleep(1.0)
    start = time.process_time()
    time.sleep(1.0)
    sys.exit(7 if time.process_time() - start < 0.3 else 8)
"""
LONG_CALLS = {
    "cluster": (60000, "vireid.cluster(rows, k1=30)"),
    "evaluate": (30000, "vireid.evaluate(rows, rows, (np.arange(30000), np.arange(30000)))"),
    "kmeans": (30000, "vireid.kmeans(rows, 3000)"),
    "re-ranking": (40000, "vireid.k_reciprocal_re_ranking(rows[:20000], rows[20000:])"),
}


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", LONG_CALLS)
def test_ctrl_c_ends_a_long_call(name):
    rows, call = LONG_CALLS[name]
    code = LONG.format(rows=rows, call=call)
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "begun\n"
    time.sleep(1.0)
    sent = time.perf_counter()
    child.send_signal(signal.SIGINT)
    assert child.stdout.readline() == "stopped\n"
    assert child.wait() == 7
    assert time.perf_counter() - sent < 15


def test_a_report_that_raises_ends_the_call(monkeypatch):
    from vireid import _clustering

    class Refused(Exception):
        pass

    def report(part, done, total):
        assert part and 0 <= done <= total
        raise Refused(part)

    from contextlib import contextmanager

    @contextmanager
    def reporter(progress):
        yield report

    monkeypatch.setattr(_clustering, "reporter", reporter)
    with pytest.raises(Refused):
        vireid.cluster(people(9000, dim=64))


def test_calls_at_the_same_time():
    features = [people(400, seed=seed) for seed in range(8)]
    expected = [vireid.cluster(each) for each in features]
    found = [None] * 8

    def work(number):
        found[number] = vireid.cluster(features[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)
