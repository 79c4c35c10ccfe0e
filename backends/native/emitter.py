"""Elementwise programs as C source: one function over arrays, and a softmax around a program where asked.

`void kernel(long n, const T *x0, …, T *y)` computes y[i] from x0[i], …. `void rows(long rows, long columns,
const T *x, T *y)` computes, along each row, the program at x minus its maximum, divided by its sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.diagnostics import fail
from . import dialects
from .dialects import LIBRARY, Dialect, number, used_tables
from .elementwise import Elementwise, Operand, Step

DTYPES = {"float32": ("float", np.float32), "float64": ("double", np.float64)}
CHUNK = 1024
"""Elements after which a loop in the scalar dialect looks whether one was outside the domain."""


def source(program: Elementwise, dialect: str, *, rows: bool = False) -> str:
    """C99 source in the dialect `avx512` or `c`, or with `-graph` after it (`fma` is rounded as graphs do it). Raises
    SpecError (G1130) for a dtype or an operation that C has not."""
    problem = unprintable(program)
    if problem:
        raise fail("G1130", problem, hint="the torch and the reference backend compute it")
    named = program.renamed("v_", [f"v_{name}" for name in program.inputs])  # away from C's own names
    printer = _Printer(named, _dialect(dialect, program.dtype))
    parts = [printer.head(), printer.tables(), *printer.outside(), printer.function()]
    parts.append(printer.rows() if rows else printer.loop())
    return "\n".join(parts)


def collection(programs: Sequence[Elementwise], dialect: str) -> str:
    """C99 source of many programs of one dtype, without tables and limited domains: `kernel_0`, `kernel_1`, …."""
    made = [p.renamed("v_", [f"v_{name}" for name in p.inputs]) for p in programs]
    printers = [_Printer(p, _dialect(dialect, p.dtype)) for p in made]
    parts = [printers[0].head()]
    for i, printer in enumerate(printers):
        body = [f"#define of of_{i}", f"#define kernel kernel_{i}", printer.function(), printer.loop()]
        parts += [*body, "#undef of", "#undef kernel"]
    return "\n".join(parts)


def unprintable(program: Elementwise) -> str | None:
    """Why a program has no C form."""
    if program.dtype not in DTYPES:
        return f"no elementwise C for {program.dtype}"
    known = {*dialects.scalar(program.dtype).operations, "outside", "lookup", "exponent", "significand"}
    for step in program.steps:
        if step.operation not in known or step.dtype not in (program.dtype, "bool"):
            return f"no elementwise C for '{step.operation}' to {step.dtype}"
        if step.operation == "lookup" and len(program.tables[str(step.operands[0])]).bit_count() != 1:
            return "no elementwise C for tables whose length is no power of two"
        if step.function and step.function not in LIBRARY:
            return f"the C library has no '{step.function}'"
    return None


def _dialect(name: str, dtype: str) -> Dialect:
    fused = not name.endswith("-graph")
    return dialects.vector(dtype, fused) if name.startswith("avx512") else dialects.scalar(dtype, fused)


class _Printer:
    def __init__(self, program: Elementwise, dialect: Dialect) -> None:
        self.program, self.dialect = program, dialect
        self.dtype = program.dtype
        self.c_type, self.numpy_type = DTYPES[self.dtype]
        self.is_vector = dialect.lanes > 1
        self.suffix = "ps" if self.dtype == "float32" else "pd"
        self.made = {s.name: s for s in program.steps}
        self.limited = tuple(s for s in program.steps if s.operation == "outside")

    def head(self) -> str:
        prelude = dialects.vector_prelude if self.is_vector else dialects.scalar_prelude
        headers = ["<immintrin.h>"] * self.is_vector + ["<math.h>", "<stdint.h>", "<string.h>"]
        return "\n".join(f"#include {h}" for h in headers) + prelude(self.dtype)

    def tables(self) -> str:
        found = []
        for name, values in used_tables(self.program).items():
            lanes = self.dialect.lanes
            padded = values * max(lanes // len(values), 1)
            items = ", ".join(number(v, self.dtype) for v in padded)
            align = " __attribute__((aligned(64)))" * self.is_vector
            found.append(f"static const {self.c_type} {name}[{len(padded)}]{align} = {{{items}}};")
        return "\n".join(found)

    # --- one element, or one vector ---------------------------------------------------------------

    def outside(self) -> list[str]:
        """For each function with a limited domain, itself by the C library."""
        names = dict.fromkeys(s.function for s in self.limited)
        found = []
        for name in names:
            found.append(
                f"static double library_{name}(double x) {{ return {LIBRARY[name]}; }}\n"
                f"static {self.c_type} exact_{name}({self.c_type} x) "
                f"{{ return ({self.c_type})library_{name}(x); }}"
            )
            if self.is_vector:
                found.append(self._outside_lanes(name))
        return found

    def _outside_lanes(self, name: str) -> str:
        d, lanes = self.dialect, self.dialect.lanes
        return (
            f"static __attribute__((noinline, cold)) {d.value} outside_{name}"
            f"({d.value} x, {d.value} y, {d.condition} out) {{\n"
            f"  {self.c_type} from[{lanes}], to[{lanes}];\n"
            f"  _mm512_storeu_{self.suffix}(from, x);\n"
            f"  _mm512_storeu_{self.suffix}(to, y);\n"
            f"  for (int i = 0; i < {lanes}; i++) if (out >> i & 1) to[i] = exact_{name}(from[i]);\n"
            f"  return _mm512_loadu_{self.suffix}(to);\n}}"
        )

    def function(self) -> str:
        """`of`: the program for one value of each input. Vectors take the mask of lanes that exist; scalars
        say through `out` whether one was outside, and `careful` is the form that then computes them."""
        if self.is_vector:
            return self._function("of", careful=True)
        forms = [self._function("of", careful=False)]
        return "\n".join(forms + [self._function("careful", careful=True)] * bool(self.limited))

    def _function(self, name: str, *, careful: bool) -> str:
        d = self.dialect
        parameters = [f"{d.value} {i}" for i in self.program.inputs]
        parameters += [f"{d.condition} live"] if self.is_vector else ["int *out"]
        for table in used_tables(self.program) if self.is_vector else ():
            parameters += [f"{d.value} {table}_{i}" for i in range(self._registers(table))]
        lines = [f"static inline {d.value} {name}({', '.join(parameters)}) {{"]
        for step in self.program.steps:
            lines.append(f"  const {d.type_of(step)} {step.name} = {self._step(step, careful)};")
        return "\n".join([*lines, f"  return {self.program.result};", "}"])

    def _registers(self, table: str) -> int:
        """How many registers hold the table; 0: it stays in memory."""
        count = -(-len(self.program.tables[table]) // self.dialect.lanes)
        return count if count <= 2 else 0

    def _step(self, step: Step, careful: bool) -> str:
        if step.operation == "outside":
            return self._limited(step, careful)
        if step.operation == "lookup":
            return self._lookup(step)
        given = [self._operand(o) for o in step.operands]
        if self.is_vector and step.operation == "alternate":
            return f"alternated({given[0]}, {self._places(step.operands[1])})"
        if step.operation in ("exponent", "significand"):
            split = dialects.vector_split if self.is_vector else dialects.scalar_split
            low = step.operands[1]
            assert isinstance(low, float)
            return split(step.operation, given[0], low, self.dtype)
        if self.is_vector and step.operation == "ldexp":
            given[1] = self._floored(step.operands[1])  # which the instruction does itself
        if self.is_vector and step.operation in ("min", "max"):
            return self._extreme(step, given)
        return self.dialect.operations[step.operation](*given)

    def _floored(self, k: Operand) -> str:
        made = self.made.get(k) if isinstance(k, str) else None
        return self._operand(k if made is None or made.operation != "floor" else made.operands[0])

    def _extreme(self, step: Step, given: Sequence[str]) -> str:
        """The instruction gives its second operand where one is NaN: a constant stands first."""
        numbers = [isinstance(o, float) and o == o for o in step.operands]
        if not any(numbers):
            return self.dialect.operations[step.operation](*given)
        ordered = given if numbers[0] else given[::-1]
        return f"_mm512_{step.operation}_{self.suffix}({', '.join(ordered)})"

    def _lookup(self, step: Step) -> str:
        table, k = step.operands
        assert isinstance(table, str)
        entries = len(self.program.tables[table])
        if self.is_vector:
            return dialects.vector_lookup(table, self._places(k), entries, self.dtype)
        return dialects.scalar_lookup(table, self._operand(k), entries, self.dtype)

    def _places(self, k: Operand) -> str:
        """The integers of k; where it was rounded by adding and subtracting a constant, to a multiple of a power
        of two whose inverse k is then multiplied with, the sum holds them."""
        made, unit = self.made.get(str(k)), 1.0
        factor = made.operands[1] if made is not None and made.operation == "mul" else None
        if made is not None and isinstance(factor, float):
            made, unit = self.made.get(str(made.operands[0])), 1 / factor
        magic = dialects.ROUNDING[self.dtype] * unit
        if made is not None and made.operation == "sub" and made.operands[1] == magic:
            total = self.made.get(str(made.operands[0]))
            if total is not None and total.operation in ("add", "fma") and total.operands[-1] == magic:
                return f"_mm512_cast{self.suffix}_si512({total.name})"
        return f"places({self._operand(k)})"

    def _limited(self, step: Step, careful: bool) -> str:
        x, y, low, high = (self._operand(o) for o in step.operands)
        if not self.is_vector:
            inside = f"({low} <= {x} & {x} <= {high})"
            return f"{inside} ? {y} : exact_{step.function}({x})" if careful else f"(*out |= !{inside}, {y})"
        d = self.dialect
        inside = self._inside(x, *step.operands[2:])
        out = f"({d.condition})(live & ~({inside}))"
        call = f"outside_{step.function}({x}, {y}, {out})"
        return f"__builtin_expect({out} != 0, 0) ? {call} : {y}"

    def _inside(self, x: str, low: Operand, high: Operand) -> str:
        """The mask of lanes within the bounds, in as few instructions as these allow."""
        operations, literal = self.dialect.operations, self.dialect.literal
        assert isinstance(low, float)
        assert isinstance(high, float)
        if low == -high and high != float("inf"):
            return operations["le"](operations["abs"](x), literal(high))
        tests = [operations["ge"](x, literal(low))] * (low != float("-inf"))
        tests += [operations["le"](x, literal(high))] * (high != float("inf"))
        return " & ".join(tests) or f"~{operations['isnan'](x)}"

    def _operand(self, operand: Operand) -> str:
        return operand if isinstance(operand, str) else self.dialect.literal(operand)

    # --- arrays -------------------------------------------------------------------------------------

    def loop(self) -> str:
        inputs = self.program.inputs
        pointers = ", ".join(f"const {self.c_type} *restrict p_{i}" for i in inputs)
        head = f"void kernel(long n, {pointers}, {self.c_type} *restrict p_y) {{"
        body = self._vector_loop() if self.is_vector else self._scalar_loop()
        return "\n".join([head, *body, "}"])

    def _vector_loop(self) -> list[str]:
        d, inputs = self.dialect, self.program.inputs
        loads = ", ".join(f"_mm512_loadu_{self.suffix}(p_{i} + k)" for i in inputs)
        masked = ", ".join(f"_mm512_maskz_loadu_{self.suffix}(tail, p_{i} + k)" for i in inputs)
        call, last = self._vector_call(loads, f"({d.condition})-1"), self._vector_call(masked, "tail")
        return [
            *self._load_tables(),
            "  long k = 0;",
            f"  for (; k + {d.lanes} <= n; k += {d.lanes}) _mm512_storeu_{self.suffix}(p_y + k, {call});",
            "  if (k < n) {",
            f"    const {d.condition} tail = ({d.condition})((1u << (n - k)) - 1);",
            f"    _mm512_mask_storeu_{self.suffix}(p_y + k, tail, {last});",
            "  }",
        ]

    def _load_tables(self) -> list[str]:
        return [
            f"  const {self.dialect.value} {t}_{i} = _mm512_load_{self.suffix}({t} + {i * self.dialect.lanes});"
            for t in used_tables(self.program)
            for i in range(self._registers(t))
        ]

    def _vector_call(self, operands: str, live: str) -> str:
        tables = [f"{t}_{i}" for t in used_tables(self.program) for i in range(self._registers(t))]
        return f"of({', '.join([operands, live, *tables])})"

    def _scalar_loop(self) -> list[str]:
        operands = ", ".join(f"p_{i}[k]" for i in self.program.inputs)
        lines = [
            f"  for (long start = 0; start < n; start += {CHUNK}) {{",
            f"    const long end = start + {CHUNK} < n ? start + {CHUNK} : n;",
            "    int out = 0;",
            "#pragma omp simd reduction(|:out)",
            f"    for (long k = start; k < end; k++) {{ int o = 0; p_y[k] = of({operands}, &o); out |= o; }}",
        ]
        if self.limited:
            lines.append(
                f"    if (out) for (long k = start; k < end; k++) p_y[k] = careful({operands}, &out);"
            )
        return [*lines, "  }"]

    def rows(self) -> str:
        head = f"void rows(long rows, long columns, const {self.c_type} *restrict x, {self.c_type} *restrict y) {{"
        body = self._vector_rows() if self.is_vector else self._scalar_rows()
        return "\n".join([head, *body, "}"])

    def _vector_rows(self) -> list[str]:
        """Three passes along a row; the maximum by four registers, for it waits for itself."""
        d, s = self.dialect, self.suffix
        shifted = self._vector_call(f"_mm512_sub_{s}(v, _mm512_set1_{s}(most))", "live")
        some = range(4)
        tops = ", ".join(f"top{i} = {d.literal(float('-inf'))}" for i in some)
        wide = [
            f"      top{i} = _mm512_max_{s}(top{i}, _mm512_loadu_{s}(x + k + {i * d.lanes}));" for i in some
        ]
        return [
            *self._load_tables(),
            "  for (; rows > 0; rows--, x += columns, y += columns) {",
            f"    {d.value} {tops}, sum = _mm512_setzero_{s}();",
            "    long k = 0;",
            f"    for (; k + {4 * d.lanes} <= columns; k += {4 * d.lanes}) {{",
            *wide,
            "    }",
            *self._along("k", "x", f"top0 = _mm512_mask_max_{s}(top0, live, top0, v);"),
            f"    top0 = _mm512_max_{s}(_mm512_max_{s}(top0, top1), _mm512_max_{s}(top2, top3));",
            f"    const {self.c_type} most = _mm512_reduce_max_{s}(top0);",
            *self._along(
                "0",
                "x",
                f"const {d.value} e = {shifted}; _mm512_mask_storeu_{s}(y + k, live, e); "
                f"sum = _mm512_mask_add_{s}(sum, live, sum, e);",
            ),
            f"    const {d.value} scale = _mm512_set1_{s}(1 / _mm512_reduce_add_{s}(sum));",
            *self._along("0", "y", f"_mm512_mask_storeu_{s}(y + k, live, _mm512_mul_{s}(v, scale));"),
            "  }",
        ]

    def _along(self, start: str, row: str, body: str) -> list[str]:
        """The body for each vector `v` of a row from column `start` on, `live` its lanes that exist: all of them,
        which the compiler then leaves out, but for the last one."""
        d, s = self.dialect, self.suffix
        return [
            f"    for (k = {start}; k + {d.lanes} <= columns; k += {d.lanes}) {{",
            f"      const {d.condition} live = ({d.condition})-1;",
            f"      const {d.value} v = _mm512_loadu_{s}({row} + k); {body} }}",
            "    if (k < columns) {",
            f"      const {d.condition} live = ({d.condition})((1u << (columns - k)) - 1);",
            f"      const {d.value} v = _mm512_maskz_loadu_{s}(live, {row} + k); {body} }}",
        ]

    def _scalar_rows(self) -> list[str]:
        form = "careful" if self.limited else "of"
        return [
            "  for (; rows > 0; rows--, x += columns, y += columns) {",
            f"    {self.c_type} most = -INFINITY, sum = 0; int out = 0;",
            "    for (long k = 0; k < columns; k++) most = x[k] > most ? x[k] : most;",
            f"    for (long k = 0; k < columns; k++) {{ y[k] = {form}(x[k] - most, &out); sum += y[k]; }}",
            f"    const {self.c_type} scale = 1 / sum;",
            "    for (long k = 0; k < columns; k++) y[k] *= scale;",
            "  }",
        ]
