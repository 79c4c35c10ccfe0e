"""How each operation is written in C: one table a dialect.

`vector` is AVX-512 through the compiler's intrinsics: a vector register a value, a mask register a condition,
tables of up to 32 entries in registers. `scalar` is plain C without branches, a number a value, in loops that
compilers turn into vectors on their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .elementwise import CONDITIONS, Elementwise, Step

LIBRARY: Mapping[str, str] = {
    "exp": "exp(x)",
    "exp2": "exp2(x)",
    "log": "log(x)",
    "log2": "log2(x)",
    "sin": "sin(x)",
    "cos": "cos(x)",
    "tanh": "tanh(x)",
    "erf": "erf(x)",
    "sigmoid": "1 / (1 + exp(-x))",
    "gelu": "x == -INFINITY ? -0.0 : 0.5 * x * erfc(-0x1.6a09e667f3bcdp-1 * x)",
    "silu": "x == -INFINITY ? -0.0 : x / (1 + exp(-x))",
    "softplus": "(x > 0 ? x : 0) + log1p(exp(-fabs(x)))",
    "rsqrt": "1 / sqrt(x)",
}
"""Every function in float64 by the C library: what stands outside a program's domain."""

_NAMES = {"float32": ("ps", "__m512", "__mmask16", 16), "float64": ("pd", "__m512d", "__mmask8", 8)}


@dataclass(frozen=True)
class Dialect:
    """`lanes` elements at once; `operations` maps an operation to the C of its operands."""

    name: str
    lanes: int
    operations: Mapping[str, Callable[..., str]]
    value: str
    condition: str
    literal: Callable[[float], str]

    def type_of(self, step: Step) -> str:
        return self.condition if step.operation in CONDITIONS else self.value


def number(value: float, dtype: str) -> str:
    """A C literal."""
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "-INFINITY"
    return value.hex() + ("f" if dtype == "float32" else "")


# --- vectors --------------------------------------------------------------------------------------


def vector(dtype: str, fused: bool = True) -> Dialect:
    """AVX-512 (F, DQ, BW, VL) for float32 or float64. `fused` as in `scalar`."""
    suffix, value, mask, lanes = _NAMES[dtype]

    def call(name: str, extra: str = "") -> Callable[..., str]:
        return lambda *operands: f"_mm512_{name}_{suffix}({', '.join(operands)}{extra})"

    def compare(predicate: str) -> Callable[..., str]:
        return lambda a, b: f"_mm512_cmp_{suffix}_mask({a}, {b}, {predicate})"

    def literal(number_: float) -> str:
        return f"_mm512_set1_{suffix}({number(number_, dtype)})"

    table: dict[str, Callable[..., str]] = {
        "add": call("add"),
        "sub": call("sub"),
        "mul": call("mul"),
        "div": call("div"),
        "neg": lambda a: f"_mm512_xor_{suffix}({a}, _mm512_set1_{suffix}(-0.0f))",
        "fma": call("fmadd"),
        "abs": call("abs"),
        "sqrt": call("sqrt"),
        "floor": call("roundscale", ", 0x09"),
        "round": call("roundscale", ", 0x08"),
        "copysign": lambda a, b: (
            f"_mm512_castsi512_{suffix}(_mm512_ternarylogic_epi64(_mm512_cast{suffix}_si512({a}), "
            f"_mm512_cast{suffix}_si512({b}), _mm512_cast{suffix}_si512(_mm512_set1_{suffix}(-0.0f)), 0xd8))"
        ),
        "min": lambda a, b: f"least(({value}){a}, ({value}){b})",
        "max": lambda a, b: f"largest(({value}){a}, ({value}){b})",
        "where": lambda c, a, b: f"_mm512_mask_blend_{suffix}({c}, {b}, {a})",
        "lt": compare("_CMP_LT_OQ"),
        "le": compare("_CMP_LE_OQ"),
        "gt": compare("_CMP_GT_OQ"),
        "ge": compare("_CMP_GE_OQ"),
        "eq": compare("_CMP_EQ_OQ"),
        "ne": compare("_CMP_NEQ_UQ"),
        "and": lambda a, b: f"({mask})({a} & {b})",
        "or": lambda a, b: f"({mask})({a} | {b})",
        "not": lambda a: f"({mask})~{a}",
        "isnan": lambda a: f"_mm512_cmp_{suffix}_mask({a}, {a}, _CMP_UNORD_Q)",
        "ldexp": call("scalef"),
        "alternate": lambda y, k: f"alternated({y}, places({k}))",
    }
    if not fused:
        table["fma"] = lambda a, b, c: f"in_two_steps({a}, {b}, {c})"
    return Dialect("avx512", lanes, table, value, mask, literal)


MANTISSAS = {0.5: "_MM_MANT_NORM_p5_1", 0.75: "_MM_MANT_NORM_p75_1p5", 1.0: "_MM_MANT_NORM_1_2"}
"""Ranges of significands that one instruction gives."""


def vector_split(operation: str, x: str, low: float, dtype: str) -> str:
    """`exponent` or `significand` of x."""
    suffix = _NAMES[dtype][0]
    if low not in MANTISSAS:
        return f"{operation}_from({x}, _mm512_set1_{suffix}({number(low, dtype)}))"
    m = f"_mm512_getmant_{suffix}({x}, {MANTISSAS[low]}, _MM_MANT_SIGN_nan)"
    if operation == "significand":
        return m
    k = f"_mm512_getexp_{suffix}({x})"
    return k if low == 1.0 else f"_mm512_sub_{suffix}({k}, _mm512_getexp_{suffix}({m}))"


ROUNDING = {"float32": 1.5 * 2.0**23, "float64": 1.5 * 2.0**52}
"""Added to a number it rounds it to an integer, whose low bits are then those of the sum."""


def vector_lookup(table: str, place: str, entries: int, dtype: str) -> str:
    """Entry `place` (integers) modulo the entries, a power of two: of one register, of two, or from memory."""
    suffix, _, _, lanes = _NAMES[dtype]
    if entries <= lanes:
        return f"_mm512_permutexvar_{suffix}({place}, {table}_0)"
    if entries <= 2 * lanes:
        return f"_mm512_permutex2var_{suffix}({table}_0, {place}, {table}_1)"
    gather = f"_mm512_i32gather_{suffix}" if dtype == "float32" else f"_mm512_i64gather_{suffix}"
    bits = "epi32" if dtype == "float32" else "epi64"
    place = f"_mm512_and_si512({place}, _mm512_set1_{bits}({entries - 1}))"
    return f"{gather}({place}, {table}, {4 if dtype == 'float32' else 8})"


_IN_TWO_STEPS = {
    "float32": """
static inline __m256 half_in_two_steps(__m256 a, __m256 b, __m256 c) {
  __m512d product = _mm512_mul_pd(_mm512_cvtps_pd(a), _mm512_cvtps_pd(b));
  return _mm512_cvtpd_ps(_mm512_add_pd(product, _mm512_cvtps_pd(c)));
}
static inline __m512 in_two_steps(__m512 a, __m512 b, __m512 c) {
  __m256 low = half_in_two_steps(_mm512_castps512_ps256(a), _mm512_castps512_ps256(b), _mm512_castps512_ps256(c));
  __m256 high = half_in_two_steps(
      _mm512_extractf32x8_ps(a, 1), _mm512_extractf32x8_ps(b, 1), _mm512_extractf32x8_ps(c, 1));
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}""",
    "float64": """
static inline __m512d in_two_steps(__m512d a, __m512d b, __m512d c) {
  return _mm512_add_pd(_mm512_mul_pd(a, b), c);
}""",
}
"""a b + c as graphs round it."""


def vector_prelude(dtype: str) -> str:
    """Operations of more than one instruction."""
    suffix, value, mask, _ = _NAMES[dtype]
    integer = "__m512i"
    to_places = "_mm512_cvtps_epi32(k)" if dtype == "float32" else "_mm512_cvtpd_epi64(k)"
    bits, top = ("epi32", 31) if dtype == "float32" else ("epi64", 63)
    one = "1.0f" if dtype == "float32" else "1.0"
    half = f"_mm512_set1_{suffix}(0.5f)"
    mantissa = f"_mm512_getmant_{suffix}(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_nan)"
    return f"""{_IN_TWO_STEPS[dtype]}
static inline {value} least({value} a, {value} b) {{
  return _mm512_mask_mov_{suffix}(_mm512_min_{suffix}(a, b), _mm512_cmp_{suffix}_mask(a, a, _CMP_UNORD_Q), a);
}}
static inline {value} largest({value} a, {value} b) {{
  return _mm512_mask_mov_{suffix}(_mm512_max_{suffix}(a, b), _mm512_cmp_{suffix}_mask(a, a, _CMP_UNORD_Q), a);
}}
static inline {integer} places({value} k) {{ return {to_places}; }}
static inline {value} alternated({value} y, {integer} k) {{
  return _mm512_castsi512_{suffix}(_mm512_xor_si512(_mm512_cast{suffix}_si512(y), _mm512_slli_{bits}(k, {top})));
}}
static inline {value} significand_from({value} x, {value} low) {{
  {value} m = {mantissa};
  {mask} large = _mm512_cmp_{suffix}_mask(m, _mm512_add_{suffix}(low, low), _CMP_GE_OQ);
  return _mm512_mask_mul_{suffix}(m, large, m, {half});
}}
static inline {value} exponent_from({value} x, {value} low) {{
  {value} m = {mantissa};
  {value} k = _mm512_getexp_{suffix}(x);
  {mask} large = _mm512_cmp_{suffix}_mask(m, _mm512_add_{suffix}(low, low), _CMP_GE_OQ);
  return _mm512_mask_add_{suffix}(k, large, k, _mm512_set1_{suffix}({one}));
}}
"""


# --- numbers --------------------------------------------------------------------------------------


def scalar(dtype: str, fused: bool = True) -> Dialect:
    """Plain C for float32 or float64. `fused`: `fma` is rounded once; else as graphs compute it, the product and the
    sum in float64 and then the dtype."""
    end = "f" if dtype == "float32" else ""
    value = "float" if dtype == "float32" else "double"

    def infix(symbol: str) -> Callable[..., str]:
        return lambda a, b: f"({a} {symbol} {b})"

    def call(name: str) -> Callable[..., str]:
        return lambda *operands: f"{name}{end}({', '.join(operands)})"

    table: dict[str, Callable[..., str]] = {
        **{n: infix(s) for n, s in zip("add sub mul div".split(), "+-*/", strict=True)},
        **{n: infix(s) for n, s in zip("lt le gt ge eq ne".split(), "< <= > >= == !=".split(), strict=True)},
        "and": infix("&"),
        "or": infix("|"),
        "not": lambda a: f"(!{a})",
        "neg": lambda a: f"(-{a})",
        "isnan": lambda a: f"({a} != {a})",
        "fma": call("__builtin_fma") if fused else lambda a, b, c: f"({value})((double){a} * {b} + {c})",
        "abs": call("__builtin_fabs"),
        "sqrt": call("__builtin_sqrt"),
        "floor": call("__builtin_floor"),
        "round": call("__builtin_rint"),
        "copysign": call("__builtin_copysign"),
        "min": lambda a, b: f"least({a}, {b})",
        "max": lambda a, b: f"largest({a}, {b})",
        "where": lambda c, a, b: f"({c} ? {a} : {b})",
        "ldexp": lambda y, k: f"scaled({y}, {k})",
        "alternate": lambda y, k: f"((int){k} & 1 ? -{y} : {y})",
    }
    return Dialect("c", 1, table, value, "int", lambda v: number(v, dtype))


def scalar_split(operation: str, x: str, low: float, dtype: str) -> str:
    return f"{operation}_from({x}, {number(low, dtype)})"


def scalar_lookup(table: str, k: str, entries: int, dtype: str) -> str:
    return f"{table}[(int){k} & {entries - 1}]"


def scalar_prelude(dtype: str) -> str:
    """Operations of more than one operation, exact, by integer arithmetic on the bits."""
    single = dtype == "float32"
    value, bits, integer = ("float", "uint32_t", "int32_t") if single else ("double", "uint64_t", "int64_t")
    digits, bias, width = (23, 127, 32) if single else (52, 1023, 64)
    end = "f" if single else ""
    least = f"0x1p-{bias - 1}{end}"
    return f"""
static inline {value} from_bits({bits} b) {{ {value} x; memcpy(&x, &b, sizeof x); return x; }}
static inline {bits} to_bits({value} x) {{ {bits} b; memcpy(&b, &x, sizeof b); return b; }}
static inline {value} least({value} a, {value} b) {{ return a != a ? a : (a < b ? a : b); }}
static inline {value} largest({value} a, {value} b) {{ return a != a ? a : (a > b ? a : b); }}
static inline {value} power({value} k) {{ return from_bits(({bits})(({integer})k + {bias}) << {digits}); }}
static inline {value} scaled({value} y, {value} k) {{
  {value} all = k > {4 * bias} ? {4 * bias} : (k < -{4 * bias} ? -{4 * bias} : (k == k ? k : 0));
  {value} up = all > 2 * {bias} ? 2 * {bias} : (all < -2 * {bias - 1} ? -2 * {bias - 1} : all);
  {value} half = __builtin_floor{end}(up * 0.5{end});
  {value} found = y * power(half) * power(up - half);
  return k == k ? found : k;
}}
static inline {value} normal({value} x) {{ return x < {least} ? x * 0x1p{width}{end} : x; }}
static inline {value} significand_of({value} x) {{
  {bits} b = to_bits(normal(x));
  return from_bits((b & ((({bits})1 << {digits}) - 1)) | (({bits}){bias} << {digits}));
}}
static inline {value} significand_from({value} x, {value} low) {{
  {value} m = significand_of(x);
  m = m >= 2 * low ? m * 0.5{end} : m;
  {value} other = x == 0 ? __builtin_copysign{end}(1, x) : (x == INFINITY ? 1 : NAN);
  return x > 0 & x < INFINITY ? m : other;
}}
static inline {value} exponent_from({value} x, {value} low) {{
  {value} k = ({value})(({integer})((to_bits(normal(x)) >> {digits}) & {2 * bias + 1}) - {bias});
  k = x < {least} ? k - {width} : k;
  k = significand_of(x) >= 2 * low ? k + 1 : k;
  return x > 0 & x < INFINITY ? k : (x == 0 ? -INFINITY : x * x);
}}
"""


def used_tables(program: Elementwise) -> dict[str, tuple[float, ...]]:
    """The tables that some step reads."""
    read = {step.operands[0] for step in program.steps if step.operation == "lookup"}
    return {name: values for name, values in program.tables.items() if name in read}
