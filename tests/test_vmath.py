"""csrc/base/vmath.h against its pure-Python twin, bit for bit, and both against the true values."""

from __future__ import annotations

import functools
import math
import platform
import random
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from pymicrograd.reference import vmath

mpmath = pytest.importorskip("mpmath", reason="the oracle: pip install mpmath")

ROOT = Path(__file__).parent.parent
FLAGS = re.findall(r"^-\S+", (ROOT / "csrc" / "flags.txt").read_text(), re.MULTILINE)
WARNINGS = "-Wall -Wextra -Wshadow -Wconversion -Werror".split()
NAMES = sorted(vmath.FLOAT64)
CLANG = next(filter(shutil.which, ["clang", *(f"clang-{v}" for v in range(25, 11, -1))]), None)
BUILDS = [("cc", "-O0"), ("clang", "-O3")]
BUILDS += [
    pytest.param(build, marks=pytest.mark.all) for build in (("cc", "-O3"), ("clang", "-O0"))
]

# Where formulas change, and what the C standard has a rule for.
SWITCHES = [0.5, 0.71875, 0.75, 1.0, 2.0**20, 2.0**30, 22.0, 30.0, 40.0, 60.0, 100.0, 800.0, 6.0,
            2.0**-900, 2.0**60, 0.41421356237309503, 2.414213562373095, 0.7071067811865476,
            1.4142135623730951, 0.34657359027997264, 709.782712893384, 745.1332191019411, 12.0,
            math.pi, math.pi / 2, 2.2250738585072014e-308, 5e-324, 1.7976931348623157e308, 1e22,
            math.ldexp(6381956970095103.0, 797), 88.72283, 103.97208, 710.4758600739439,
            9830.39990234375, 1.100467763087514e+19, 1.7269983397793917e+20]  # fmt: skip
SPECIAL = [0.0, math.inf, math.nan, 2.0, 3.0, 1e-5, 1e-300]
NEIGHBOURS = [y for x in SWITCHES
              for y in (x, math.nextafter(x, 0.0), math.nextafter(x, math.inf))]  # fmt: skip
EDGES = [sign * x for x in SPECIAL + NEIGHBOURS for sign in (1.0, -1.0)]


def float32_bits(x: float) -> int:
    return struct.unpack("<I", struct.pack("<f", x))[0]


def draw(rng: random.Random) -> float:
    """Return a float with a full mantissa: of any bits, or from where functions bend."""
    kind = rng.randrange(8)
    if kind == 0:
        return vmath.of_bits(rng.getrandbits(64))
    if kind == 6:
        return 1.0 + math.ldexp(rng.uniform(-1.0, 1.0), -rng.randint(1, 52))
    if kind == 7:
        return float(rng.getrandbits(rng.randint(1, 50))) * (math.pi / 2)
    if kind == 1:
        return math.ldexp(rng.uniform(-1.0, 1.0), rng.randint(-60, 40))
    return rng.uniform(-1.0, 1.0) * [1.0, 4.0, 50.0, 760.0][kind - 2]


def same(a: float, b: float) -> bool:
    return (a != a and b != b) or vmath.bits_of(a) == vmath.bits_of(b)


class Program:
    """vmath_check.c, compiled."""

    def __init__(self, folder: Path, compiler: str, level: str, *more: str) -> None:
        self.path = folder / "vmath_check"
        source = ROOT / "tests" / "csrc" / "vmath_check.c"
        command = [compiler, level, *FLAGS, *WARNINGS, *more, f"-I{ROOT / 'csrc'}", str(source)]
        quad = [*command, "-DVM_QUAD", "-o", str(self.path), "-lquadmath", "-lm", "-lpthread"]
        self.has_quad = subprocess.run(quad, capture_output=True).returncode == 0
        if not self.has_quad:
            plain = [*command, "-o", str(self.path), "-lm", "-lpthread"]
            done = subprocess.run(plain, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    def evaluate(self, lines: list[tuple[str, str, float, float]]) -> list[float]:
        bits = {"f64": vmath.bits_of, "f32": float32_bits}
        text = "".join(f"{n} {t} {bits[t](x):x} {bits[t](y):x}\n" for n, t, x, y in lines)
        done = subprocess.run(
            [self.path, "bits"], input=text, capture_output=True, text=True, check=True
        )
        answers = done.stdout.split()
        assert len(answers) == len(lines)
        return [
            vmath.of_bits(int(a, 16))
            if line[1] == "f64"
            else struct.unpack("<f", struct.pack("<I", int(a, 16)))[0]
            for a, line in zip(answers, lines, strict=True)
        ]


@pytest.fixture(scope="module", params=BUILDS, ids=" ".join)
def build(request, tmp_path_factory) -> Program:
    compiler, level = request.param
    if compiler == "clang":
        if CLANG is None:
            pytest.skip("no clang here")
        compiler = CLANG
    return Program(tmp_path_factory.mktemp("vmath"), compiler, level)


@pytest.fixture(scope="module")
def fast(tmp_path_factory) -> Program:
    return Program(tmp_path_factory.mktemp("vmath"), "cc", "-O3")


def expected_of(name: str, kind: str, x: float, y: float) -> float:
    if name == "pow":
        return (vmath.power if kind == "f64" else vmath.power_f32)(x, y)
    return (vmath.FLOAT64 if kind == "f64" else vmath.FLOAT32)[name](x)


def with_results(lines):
    return [(line, expected_of(*line)) for line in lines]


def expect_same(program: Program, cases) -> None:
    answers = program.evaluate([line for line, _ in cases])
    for (line, expected), answer in zip(cases, answers, strict=True):
        assert same(answer, expected), (*line, answer, expected)


@functools.cache
def function_cases():
    rng = random.Random(1)
    lines = []
    for name in NAMES:
        for x in EDGES + [draw(rng) for _ in range(700)]:
            lines.append((name, "f64", x, 0.0))
            lines.append((name, "f32", vmath.to_float32(x), 0.0))
    return with_results(lines)


def test_c_has_the_bits_of_the_reference(build):
    expect_same(build, function_cases())


def test_results_that_no_double_tells_are_those_of_the_specification(fast):
    text = (ROOT / "csrc" / "SPEC.md").read_text(encoding="utf-8")
    number = r"(0x1\.[0-9a-f]+p[+-]\d+)"
    found = re.findall(rf"(sin|cos)\(\+-{number}\) = (-\+)?{number}", text)
    cases = []
    for name, x, is_turned, y in found:
        for sign in (1.0, -1.0):
            right = float.fromhex(y) * (-sign if is_turned else 1.0)
            cases.append(((name, "f32", sign * float.fromhex(x), 0.0), right))
    assert len(cases) == 6
    expect_same(fast, cases)
    for line, right in cases:
        assert expected_of(*line) == right, line


def draw_powers(rng: random.Random, count: int) -> list[tuple[float, float]]:
    cases = []
    for _ in range(count):
        x = math.exp(rng.uniform(-700.0, 700.0))
        near = 1.0 + math.ldexp(rng.uniform(-1.0, 1.0), -rng.randint(1, 40))
        cases += [
            (x, rng.uniform(-745.0, 745.0) / math.log(x)),
            (near, math.ldexp(rng.uniform(-1.0, 1.0), rng.randint(0, 48))),
            (rng.uniform(-10.0, 10.0), float(rng.randint(-20, 20))),
            (rng.uniform(0.0, 10.0), rng.uniform(-100.0, 100.0)),
        ]
    return cases


@functools.cache
def power_cases():
    numbers = [0.0, math.inf, math.nan, 1.0, 2.0, 0.5, 3.0, 1.5, 5e-324, 1e308, 2.0**52 + 1.0,
               2.0**53, 1.0 + 2.0**-52, 0.3333333333333333]  # fmt: skip
    signed = [sign * x for x in numbers for sign in (1.0, -1.0)]
    lines = []
    for x, y in [(x, y) for x in signed for y in signed] + draw_powers(random.Random(2), 500):
        lines.append(("pow", "f64", x, y))
        lines.append(("pow", "f32", vmath.to_float32(x), vmath.to_float32(y)))
    return with_results(lines)


def test_pow_has_the_bits_of_the_reference(build):
    expect_same(build, power_cases())


def test_sampled_float32_results_are_correctly_rounded(fast):
    if not fast.has_quad:
        pytest.skip("no libquadmath here to decide the close cases")
    done = subprocess.run([fast.path, "f32", "all", "10007"], capture_output=True, text=True)
    assert done.stdout.count("wrong 0 undecided 0") == len(NAMES), done.stdout
    assert done.returncode == 0


QUICK = (
    "exp exp2 expm1 sigmoid silu gelu_tanh tanh erf gelu gelu_slope log log2 log1p softplus "
    "sin cos tan atan sinh cosh pow brief_gelu brief_gelu_slope"
).split()


def test_sampled_quick_forms_have_the_same_floats_or_are_in_doubt(fast):
    done = subprocess.run([fast.path, "quick", "all", "1009"], capture_output=True, text=True)
    names = [line.split(":")[0] for line in done.stdout.splitlines() if "wrong 0" in line]
    here = platform.machine() in ("x86_64", "AMD64", "i686") and "no AVX-512" not in done.stdout
    assert names == QUICK + ["wide_exp"] * here, done.stdout
    assert done.returncode == 0, done.stdout


def half_tail(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def tanh_slope(x):
    return 2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)


TRUE = {
    "exp2": lambda x: mpmath.power(2, x),
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "gelu": lambda x: x * half_tail(x),
    "gelu_tanh": lambda x: x / (1 + mpmath.exp(-tanh_slope(x))),
}


# What has reached its limit long before 10**4.
FLAT = {"exp", "exp2", "expm1", "sigmoid", "softplus", "silu", "gelu", "gelu_tanh", "tanh", "sinh",
        "cosh", "erf"}  # fmt: skip


def error_in_ulps(y: float, right) -> float:
    """Return the error of y in units in the last place of a double near the right value."""
    exponent = mpmath.frexp(right)[1] if right else -2000
    unit = mpmath.ldexp(1, max(exponent - 53, -1074))
    return float(abs(mpmath.mpf(y) - right) / unit)


def is_in_domain(name: str, x: float) -> bool:
    if name.startswith("log"):
        return x > (-1.0 if name == "log1p" else 0.0)
    if name in ("asin", "acos", "atanh"):
        return abs(x) < 1.0
    return x >= 1.0 if name == "acosh" else True


@pytest.mark.parametrize("name", NAMES)
def test_float64_errs_by_less_than_an_ulp(name):
    rng = random.Random(name)
    function, true = vmath.FLOAT64[name], TRUE.get(name) or getattr(mpmath, name)
    for x in EDGES + [draw(rng) for _ in range(300)]:
        if not math.isfinite(x) or not is_in_domain(name, x):
            continue
        y = function(x)
        with mpmath.workprec(1300 if abs(x) > 1e16 else 300):
            if abs(x) > 1e4 and name in FLAT:
                continue  # mpmath is slow there, and test_limits has it
            right = true(mpmath.mpf(x))
            if math.isfinite(y):
                assert error_in_ulps(y, right) < 1.0, (x.hex(), y)
            else:
                assert abs(right) > 1.7976931348623157e308, (x.hex(), y)


def test_the_slope_of_gelu_errs_by_few_units_of_its_terms():
    rng = random.Random(5)
    numbers = [0.0, -0.0, 0.75, -0.75, -0.7517915246935645, 12.0, 13.0, -38.0, 40.0, -40.0, 1e-300]
    for x in numbers + [rng.uniform(-s, s) for s in (1.0, 5.0, 40.0) for _ in range(100)]:
        with mpmath.workprec(300):
            tail = half_tail(mpmath.mpf(x))
            rise = x * mpmath.npdf(mpmath.mpf(x))
            error = abs(vmath.gelu_slope(x) - (tail + rise))
            assert error <= 2.0**-51 * max(abs(tail), abs(rise)) + 5e-324, x.hex()
    assert [vmath.gelu_slope(x) for x in (INF, -INF)] == [1.0, 0.0]
    assert math.isnan(vmath.gelu_slope(NAN))


def test_pow_errs_by_less_than_an_ulp():
    with mpmath.workprec(300):
        for x, y in draw_powers(random.Random(3), 250):
            answer = vmath.power(x, y)
            if math.isfinite(answer):
                right = mpmath.power(mpmath.mpf(x), mpmath.mpf(y))
                assert error_in_ulps(answer, right) < 1.0, (x.hex(), y.hex())


INF, NAN = math.inf, math.nan
LIMITS = {  # at 0, -0, inf, -inf, C99 annex F, and for the last five their limits
    "exp": (1.0, 1.0, INF, 0.0), "exp2": (1.0, 1.0, INF, 0.0), "expm1": (0.0, -0.0, INF, -1.0),
    "log": (-INF, -INF, INF, NAN), "log2": (-INF, -INF, INF, NAN), "log1p": (0.0, -0.0, INF, NAN),
    "sin": (0.0, -0.0, NAN, NAN), "cos": (1.0, 1.0, NAN, NAN), "tan": (0.0, -0.0, NAN, NAN),
    "asin": (0.0, -0.0, NAN, NAN), "acos": (math.pi / 2, math.pi / 2, NAN, NAN),
    "atan": (0.0, -0.0, math.pi / 2, -math.pi / 2), "sinh": (0.0, -0.0, INF, -INF),
    "cosh": (1.0, 1.0, INF, INF), "tanh": (0.0, -0.0, 1.0, -1.0), "asinh": (0.0, -0.0, INF, -INF),
    "acosh": (NAN, NAN, INF, NAN), "atanh": (0.0, -0.0, NAN, NAN), "erf": (0.0, -0.0, 1.0, -1.0),
    "sigmoid": (0.5, 0.5, 1.0, 0.0), "softplus": (math.log(2.0), math.log(2.0), INF, 0.0),
    "silu": (0.0, -0.0, INF, -0.0), "gelu": (0.0, -0.0, INF, -0.0),
    "gelu_tanh": (0.0, -0.0, INF, -0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_limits(name):
    function = vmath.FLOAT64[name]
    answers = [function(x) for x in (0.0, -0.0, INF, -INF)]
    assert all(map(same, answers, LIMITS[name])), answers
    assert math.isnan(function(NAN))


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [("log", -1.0, NAN), ("log1p", -1.0, -INF), ("log1p", -2.0, NAN), ("acosh", 0.5, NAN),
     ("acosh", 1.0, 0.0), ("atanh", 1.0, INF), ("atanh", -1.0, -INF), ("atanh", 2.0, NAN),
     ("asin", 1.5, NAN), ("acos", 1.0, 0.0), ("acos", -1.0, math.pi), ("acos", -1.5, NAN),
     ("log", 1.0, 0.0), ("exp", 710.0, INF), ("exp", -745.5, 0.0), ("log2", 2.0**-1074, -1074.0),
     ("exp2", -1074.0, 5e-324), ("tanh", 1e300, 1.0), ("sigmoid", -800.0, 0.0),
     ("silu", -800.0, -0.0), ("erf", 7.0, 1.0)],
)  # fmt: skip
def test_values_at_the_ends(name, x, y):
    assert same(vmath.FLOAT64[name](x), y)


@pytest.mark.parametrize(
    ("name", "at"),
    [("sinh", 1.0), ("asinh", 0.5), ("asin", 0.5), ("atan", 0.41421356237309503), ("erf", 0.71875),
     ("atan", 2.414213562373095), ("tanh", 0.17328679513998632), ("gelu", 0.75), ("erf", 6.0),
     ("exp", 0.34657359027997264), ("expm1", 0.34657359027997264), ("log", 1.4142135623730951),
     ("log1p", 0.41421356237309515), ("log2", 0.7071067811865476), ("softplus", 60.0),
     ("softplus", -60.0), ("asinh", 2.0**30), ("acosh", 2.0**30), ("cosh", 30.0), ("sinh", 30.0),
     ("sigmoid", -100.0), ("atanh", 0.17157287525380988), ("acosh", 1.0606601717798212),
     ("sigmoid", 0.34657359027997264), ("gelu", 12.0), ("silu", 100.0), ("tan", 0.7853981633974483),
     ("sin", 0.7853981633974483), ("tanh", 18.4)],
)  # fmt: skip
def test_no_step_down_where_formulas_change(name, at):
    x = at
    for _ in range(300):
        x = math.nextafter(x, -INF)
    last = -INF
    for _ in range(600):
        y = vmath.FLOAT64[name](x)
        assert y >= last, x.hex()
        last, x = y, math.nextafter(x, INF)


def test_gcc_vectorises_every_function(tmp_path):
    gcc = shutil.which("gcc")
    probe = '#include "kernels/vmath_quick.h"\n#if !defined(__x86_64__)\n#error\n#endif\n'
    source = tmp_path / "loops.c"
    source.write_text(probe)
    command = [gcc or "", *FLAGS, "-O3", "-c", f"-I{ROOT / 'csrc'}", str(source), "-o", "/dev/null"]
    if gcc is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs gcc for x86-64")
    functions = []
    for name in [*NAMES, "pow"]:
        near = "_near" if name in ("sin", "cos", "tan") else ""
        functions.append(("double", f"vm_{name}{near}"))
        if name not in ("sin", "cos", "tan"):  # whose exact forms branch, for the elements in doubt
            functions.append(("float", f"vm_{name}_f32"))
    functions += [("float", name if "brief" in name else f"quick_{name}") for name in QUICK]
    loops = []
    for kind, name in functions:
        second = ", y[i]" if "pow" in name else ""
        doubt = ", &doubt" if "quick" in name or "brief" in name else ""
        loops.append(
            f'__attribute__((target("avx2"))) int loop_{name}(int n, const {kind} *x, {kind} '
            "*restrict y) { vm_doubt doubt = {0, 0}; for (int i = 0; i < n; i++) "
            f"y[i] = {name}(x[i]{second}{doubt}); return is_in_doubt(doubt); }}"
        )
    source.write_text('#include "kernels/vmath_quick.h"\n' + "\n".join(loops) + "\n")
    done = subprocess.run([*command, "-fopt-info-vec"], capture_output=True, text=True, check=True)
    found = {line.split(":")[1] for line in done.stderr.splitlines() if "loop vectorized" in line}
    missing = [loops[i] for i in range(len(loops)) if str(i + 2) not in found]
    assert not missing
