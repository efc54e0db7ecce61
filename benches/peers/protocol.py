"""How the driver talks with an engine in Python; `src/protocol.rs` says the same in Rust.

`time WORKLOAD WARM_UP RUNS` -> {"ms": [...]}; `check WORKLOAD FILE` runs once and writes the
outputs, one after the other, as little-endian float32. A job is a function that gives the
milliseconds of one run and its outputs.
"""

import json
import sys
import time

import numpy as np


def serve(ready, load):
    """Answers until standard input ends; a workload is loaded when it is first asked for."""
    print(json.dumps({"ready": ready}), flush=True)
    jobs = {}
    for line in sys.stdin:
        try:
            verb, name, *rest = line.split()
            if name not in jobs:
                jobs[name] = load(name)
            answer = {"time": _time, "check": _check}[verb](jobs[name], *rest)
        except Exception as error:  # one workload that cannot be done ends nothing else
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def timed(work):
    """Milliseconds of `work`, and what it gave."""
    start = time.perf_counter()
    done = work()
    return (time.perf_counter() - start) * 1e3, done


def _time(job, warm_up, runs):
    for _ in range(int(warm_up)):
        job()
    return {"ms": [job()[0] for _ in range(int(runs))]}


def _check(job, file):
    _, outputs = job()
    flat = [np.asarray(output, np.float32).ravel() for output in outputs]
    np.concatenate(flat or [np.empty(0, np.float32)]).tofile(file)
    return {}
