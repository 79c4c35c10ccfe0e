"""`python -m graphwright.tools.conformance`: the standard's cases, and the page about them.

Exit codes: 0 where every failure has a reason and every reason is needed, 1 otherwise, 2 for wrong
usage. A run that is stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ...backends.runtime.executor import ProcessExecutor
from .cases import COLLECTIONS, all_cases
from .outcome import CHECKS, CaseRecord
from .page import conformance_page
from .reasons import unexplained, unneeded
from .records import RecordFile, source_digest
from .run import run_case


def main() -> int:
    """Runs the cases that the command line names, or all; the exit code."""
    options = _options().parse_args()
    keys = [c.key for c in all_cases()]
    chosen = [k for k in keys if not options.case or any(_matches(k, p) for p in options.case)]
    if not chosen:
        print(f"no case is called so; collections are {', '.join(COLLECTIONS)}", file=sys.stderr)
        return 2
    file = RecordFile(Path(options.records), source_digest())
    _run_missing(file, chosen, options.jobs)
    records = [file.records[k] for k in chosen]
    complete = len(chosen) == len(keys)
    status = report(records, complete)
    if options.page:
        if not complete:
            print("a page needs all cases: name none", file=sys.stderr)
            return 2
        Path(options.page).write_text(conformance_page(records, _versions()), encoding="utf-8")
        print(f"wrote {options.page}")
    return status


def _options() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m graphwright.tools.conformance", description=__doc__)
    found.add_argument("case", nargs="*", help="patterns such as 'node/test_conv*' (default: all)")
    found.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    found.add_argument("--page", help="write the page to this file")
    found.add_argument("--records", default=".build/conformance/records.jsonl", help="where results are kept")
    return found


def _matches(key: str, pattern: str) -> bool:
    return fnmatchcase(key, pattern) or fnmatchcase(key.partition("/")[2], pattern)


def _run_missing(file: RecordFile, keys: Sequence[str], jobs: int) -> None:
    """Runs what has no record yet, the slow ones first."""
    missing = sorted((k for k in keys if k not in file.records), key=lambda k: not k.startswith("real/"))
    if not missing:
        return
    with ProcessExecutor(max(1, min(jobs, len(missing))), chunk=1) as executor:
        for count, (_, record) in enumerate(executor.map_unordered(run_case, missing), 1):
            file.add(record)
            if count % 100 == 0 or count == len(missing):
                print(f"{count} of {len(missing)} cases", file=sys.stderr, flush=True)


def report(records: Sequence[CaseRecord], complete: bool = True) -> int:
    """Prints the counts and what is wrong; the exit code."""
    for check in CHECKS:
        counts = Counter(r.status(check) for r in records)
        print(f"{check:9} " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    wrong = unexplained(records)
    for key, check, detail in wrong:
        print(f"not explained: {key} {check}: {detail}")
    stale = unneeded(records) if complete else []
    for pattern, check, _ in stale:
        print(f"not needed: the reason for {pattern} ({check})")
    return 1 if wrong or stale else 0


def _versions() -> str:
    import onnx
    import onnxruntime
    import torch

    return (
        f"onnx {onnx.__version__}, torch {torch.__version__.partition('+')[0]}, "
        f"ONNX Runtime {onnxruntime.__version__}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
