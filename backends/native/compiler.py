"""The system's C compiler, and shared libraries kept by the content that they were made from."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from ...graph.diagnostics import fail

FLAGS = (
    "-O3 -std=gnu99 -fPIC -shared -fno-math-errno -fno-trapping-math -ffp-contract=off -fopenmp-simd "
    "-Wno-psabi -Wno-parentheses"
).split()
"""No -ffast-math: it breaks NaN and infinities, and a library linked with it switches the whole process to
flushing subnormals. Contraction is off because programs say themselves where a product and a sum are one."""

COMPILERS = ("cc", "gcc", "clang")
_VECTOR_FLAGS = frozenset("avx512f avx512dq avx512bw avx512vl fma".split())


@dataclass(frozen=True)
class Compiler:
    """`path` and what it says of itself."""

    path: str
    version: str


@lru_cache(maxsize=8)
def find_compiler(search: str | None = None) -> Compiler:
    """The compiler that the environment's CC names, else the first of cc, gcc, clang on the path. Raises
    SpecError (G1131) where there is none."""
    names = [os.environ["CC"]] if os.environ.get("CC") else list(COMPILERS)
    for name in names:
        path = shutil.which(name.split()[0], path=search)
        if path is None:
            continue
        found = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=60)
        if found.returncode == 0:
            return Compiler(path, found.stdout.splitlines()[0] if found.stdout else name)
    raise fail(
        "G1131",
        f"no C compiler: {', '.join(names)} is not on the path",
        hint="install gcc or clang, or set CC; without one the torch backend computes the same programs",
    )


@cache
def cpu() -> tuple[str, frozenset[str]]:
    """The processor's name, and its features where the system tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return f"{platform.machine()} {platform.processor()}", frozenset()
    entries = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    fields = {k.strip(): v.strip() for k, v in entries.items()}
    return fields.get("model name", platform.machine()), frozenset(
        fields.get("flags", fields.get("Features", "")).split()
    )


def instruction_set() -> str:
    """`avx512` where the processor has it, else `c`: what the compiler makes of plain loops."""
    return "avx512" if cpu()[1] >= _VECTOR_FLAGS else "c"


def library(source: str, name: str = "kernel", links: tuple[str, ...] = ("-lm",)) -> ctypes.CDLL:
    """The shared library of a C source, compiled once for this processor and compiler. Raises SpecError:
    G1131 without a compiler, G1132 where it refuses the source."""
    return _loaded(str(_compiled(source, name, links)))


@lru_cache(maxsize=256)
def _loaded(path: str) -> ctypes.CDLL:
    return ctypes.CDLL(path)


def _compiled(source: str, name: str, links: tuple[str, ...]) -> Path:
    compiler = find_compiler()
    flags = [*FLAGS, "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"]
    processor, features = cpu()
    parts = (
        source,
        " ".join([*flags, *links]),
        compiler.path,
        compiler.version,
        processor,
        " ".join(sorted(features)),
    )
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    path = folder() / f"{name}-{digest[:32]}.so"
    if not path.exists():
        _compile(compiler, flags, links, source, path)
    return path


def _compile(compiler: Compiler, flags: list[str], links: tuple[str, ...], source: str, path: Path) -> None:
    """Under another name first: who looks finds a whole library or none."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        text, made = Path(scratch) / "kernel.c", Path(scratch) / "kernel.so"
        text.write_text(source, encoding="utf-8")
        command = [compiler.path, *flags, str(text), "-o", str(made), *links]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if found.returncode or not made.exists():
            lines = [line for line in found.stderr.splitlines() if "error" in line] or ["it says nothing"]
            raise fail("G1132", f"{compiler.path} refuses a generated kernel: {lines[0].strip()}")
        os.replace(made, path)


@cache
def folder() -> Path:
    """Where libraries are kept: a folder of the user's own. Raises SpecError (G1132)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = Path(base) / "graphwright" / "native"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            raise PermissionError("it belongs to another user")
        if not os.access(path, os.W_OK):
            raise PermissionError("it can't be written to")
    except OSError:
        return Path(tempfile.mkdtemp(prefix="graphwright-native-"))
    return path
