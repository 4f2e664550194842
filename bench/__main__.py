"""``python -m bench [NAME...]``: measures, and writes docs/benchmarks.md.

Each module of this folder with a ``run(quick)`` gives one section. With names, only those
sections are measured anew and the others stay as they are in the file.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench`; not edited by hand. Every ratio comes from runs that took turns in one
session, so that a machine that slows down slows both. Figures are medians. A benchmark is not a
test: nothing here decides whether the tests pass.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = sorted(p.stem for p in HERE.glob("*.py") if "def run(" in p.read_text())
    parser.add_argument("names", nargs="*", choices=[*names, []], help="which sections")
    parser.add_argument("--quick", action="store_true", help="fewer runs; does not write the page")
    arguments = parser.parse_args()
    sections = _sections(PAGE.read_text() if PAGE.exists() else "")
    failed = []
    for name in arguments.names or names:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        try:
            text = import_module(f"bench.{name}").run(quick=arguments.quick).strip()
        except Exception as error:  # noqa: BLE001 - the other sections go on
            failed.append(name)
            print(f"bench: {name} failed: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        print(text, flush=True)
        sections[name] = f"<!-- {name} -->\n{text}\n\n{_machine()}"
    if not arguments.quick:
        PAGE.write_text("\n".join([HEAD, *(sections[n] + "\n" for n in names if n in sections)]))
    return 1 if failed else 0


def _sections(page: str) -> dict[str, str]:
    parts = re.split(r"^<!-- (\w+) -->\n", page, flags=re.MULTILINE)
    return {
        name: f"<!-- {name} -->\n{text.strip()}"
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def _machine() -> str:
    return (
        f"_Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_processor()}, "
        f"{os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}._"
    )


def _processor() -> str:
    try:
        match = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
