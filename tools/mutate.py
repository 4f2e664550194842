"""Break the code on purpose, one fault at a time, and see whether a test fails.

    make mutate                                 every mutation of tools/mutations.py
    python tools/mutate.py limiter downmix      those whose name or file holds one of the words
    python tools/mutate.py --check              only look whether every text is still found, once
    python tools/mutate.py --list               the mutations, and what each would do to a user

A mutation is a text of one module, what replaces it, and the tests that must notice. Each runs in
a copy of the working tree in a temporary folder; the working tree itself is never touched. In the
end the tests that failed run on an unchanged copy: a test that fails anyway proves nothing.

Killed means that a test failed. Survived means that the tests passed in spite of the fault: write
one that fails on it. A mutation that breaks the import, or whose text isn't found exactly once, is
an error: change it in tools/mutations.py when the code changes. So is a run that takes longer than
the limit: a test must fail, not hang.

The exit status is 0 when all were killed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "build", "dist", "demo-out"
)
FAILED, PASSED = 1, 0


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one mutation.

    Attributes:
        killer: the test that failed.
        details: the end of what pytest wrote.
    """

    mutation: Mutation
    outcome: str
    seconds: float
    killer: str = ""
    details: str = ""


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="only mutations whose name or file holds one")
    parser.add_argument("--check", action="store_true", help="only look whether texts are found")
    parser.add_argument("--list", action="store_true", help="show the mutations")
    parser.add_argument("--jobs", type=int, default=2, help="mutations at the same time (2)")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for each (300)")
    options = parser.parse_args()
    chosen = [
        mutation
        for mutation in MUTATIONS
        if not options.words
        or any(word in mutation.name or word in mutation.path for word in options.words)
    ]
    if options.list:
        for mutation in chosen:
            print(f"{mutation.name} ({mutation.path}): {mutation.harm}")
        return 0
    if lost := [f"{m.name}: {fault}" for m in chosen if (fault := text_fault(m))]:
        print("These mutations no longer fit the code:", *lost, sep="\n  ")
        return 1
    if options.check:
        print(f"The texts of {len(chosen)} mutations are found.")
        return 0
    results = []
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        waiting = [pool.submit(tried, mutation, options.limit) for mutation in chosen]
        for future in as_completed(waiting):
            results.append(result := future.result())
            took = f"{result.seconds:5.0f} s"
            print(
                f"{result.outcome:<9}{took}  {result.mutation.name:<30} {result.killer}", flush=True
            )
    status = summary(results)
    killers = sorted({result.killer for result in results if result.killer})
    if killers:
        passed, _, output = run_tests(None, killers, 10 * options.limit)
        if passed != PASSED:
            print(output, "\nThese tests fail without any mutation.", sep="\n")
            return 1
    return status


def text_fault(mutation: Mutation) -> str:
    """Return what is wrong with a mutation's text; empty if it stands there once."""
    path = ROOT / mutation.path
    if not path.is_file():
        return f"there is no file {mutation.path}"
    count = path.read_text(encoding="utf-8").count(mutation.find)
    if count != 1:
        return f"{mutation.find!r} is found {count} times in {mutation.path}"
    missing = [test for test in mutation.tests if not (ROOT / test.partition("::")[0]).exists()]
    return f"there is no {missing[0]}" if missing else ""


def tried(mutation: Mutation, limit: float) -> Result:
    """Run the tests of one mutation."""
    if fault := text_fault(mutation):
        return Result(mutation, "ERROR", 0.0, details=fault)
    status, seconds, output = run_tests(mutation, mutation.tests, limit)
    outcome = {FAILED: "killed", PASSED: "SURVIVED", None: "HANGS"}.get(status, "ERROR")
    # A test's own log may have lines that begin alike.
    lines = [line for line in output.splitlines() if re.match(r"(FAILED|ERROR) \S+\.py", line)]
    # Without its parameters, whose names may hold blanks.
    killer = lines[0].split()[1].partition("[")[0] if lines and outcome == "killed" else ""
    return Result(mutation, outcome, seconds, killer, output)


def run_tests(
    mutation: Mutation | None, tests: Iterable[str], limit: float
) -> tuple[int | None, float, str]:
    """Run tests in a copy of the working tree, with one mutation or none.

    Returns:
        Pytest's exit status (None: stopped at the limit), seconds, and the end of its output.
    """
    with tempfile.TemporaryDirectory(prefix="milonga-mutate-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT, symlinks=True)
        if mutation is not None:
            path = tree / mutation.path
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(mutation.find, mutation.replace), encoding="utf-8")
        environment = os.environ | {
            "PYTHONPATH": str(tree / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "TMPDIR": folder,
        }
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        begun = time.perf_counter()
        # A group of its own, so that what the tests started ends with them.
        with subprocess.Popen(
            command,
            cwd=tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=limit)
                status: int | None = process.returncode
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                output, _ = process.communicate()
                status = None
        return status, time.perf_counter() - begun, "\n".join(output.splitlines()[-25:])


def summary(results: Sequence[Result]) -> int:
    """Print what was not killed, and return the exit status."""
    left = [result for result in results if result.outcome != "killed"]
    for result in left:
        mutation = result.mutation
        print(f"\n{result.outcome}: {mutation.name} ({mutation.path})")
        print(f"  {mutation.find!r}\n  became {mutation.replace!r}\n  Harm: {mutation.harm}")
        print(f"  Tests: {' '.join(mutation.tests)}")
        if result.outcome == "ERROR":
            print(result.details)
    print(f"\n{len(results) - len(left)} of {len(results)} mutations were killed.")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
