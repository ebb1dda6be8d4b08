#!/usr/bin/env python3
"""Derives the polynomial coefficients of kernels/coefficients.h.

Each function is approximated in the minimax sense (Remez exchange, in 60 digits) by a polynomial whose
coefficients are then rounded to float. Prints the coefficients, constant term first, and the error of the polynomial in exact
arithmetic; the error of the kernels in float arithmetic is what the tests measure.

    python3 tools/derive_coefficients.py        needs mpmath (PyPI)
"""
import struct

from mpmath import mp, mpf

mp.dps = 60


def to_float(x):
    """The float nearest to x."""
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def remez(f, weight, low, high, powers):
    """Coefficients of x^powers that minimise max |weight·(p - f)| on [low, high], and that maximum."""
    n = len(powers)
    points = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n + 2)) for i in range(n + 1)]
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / 600) for i in range(601)]
    targets = [(x, f(x), weight(x)) for x in grid]
    for _ in range(12):
        a = mp.matrix(n + 1, n + 1)
        b = mp.matrix(n + 1, 1)
        for row, x in enumerate(points):
            for column, power in enumerate(powers):
                a[row, column] = x**power
            a[row, n] = (-1) ** row / weight(x)
            b[row] = f(x)
        solution = mp.lu_solve(a, b)
        c = [solution[i] for i in range(n)]
        errors = [w * (sum(ck * x**p for ck, p in zip(c, powers)) - y) for x, y, w in targets]
        # One extremum per run of equal sign; keep the n + 1 neighbours with the largest errors.
        runs = [0]
        for i in range(1, len(grid)):
            if (errors[i] > 0) != (errors[i - 1] > 0):
                runs.append(i)
        runs.append(len(grid))
        best = [max(range(s, e), key=lambda i: abs(errors[i])) for s, e in zip(runs, runs[1:])]
        while len(best) > n + 1:
            best.pop(0 if abs(errors[best[0]]) < abs(errors[best[-1]]) else -1)
        if len(best) < n + 1:
            break
        points = [grid[i] for i in best]
        worst = [abs(errors[i]) for i in best]
        if max(worst) < min(worst) * mpf("1.001"):
            break
    return c, max(abs(e) for e in errors)


def float_polynomial(f, weight, low, high, degree):
    """The minimax polynomial with its coefficients rounded to float, and its error in exact arithmetic."""
    c = [to_float(ck) for ck in remez(f, weight, low, high, list(range(degree + 1)))[0]]
    grid = [low + (high - low) * i / 2000 for i in range(2001)]
    return c, max(abs(weight(x) * (sum(ck * x**k for k, ck in enumerate(c)) - f(x))) for x in grid)


def show(name, coefficients, error):
    print(f"{name}: error {mp.nstr(error, 3)}")
    for c in coefficients:
        print(f"    {mp.nstr(c, 9)}f,")


def exp_polynomial():
    """(e^r - 1 - r)/r^2 for |r| <= ln2/2, error relative to e^r. The margin covers the rounding of n."""
    bound = mp.log(2) / 2 * mpf("1.0001")
    f = lambda r: (mp.exp(r) - 1 - r) / r**2 if abs(r) > 1e-15 else mpf("0.5")
    show("exp", *float_polynomial(f, lambda r: (r**2 + mpf("0.02")) * mp.exp(-r), -bound, bound, 4))


def fma(a, b, c):
    return to_float(a * b + c)


def phi_in_floats(c, t, bound):
    """gelu_of() of kernels/formulas.h before the maximum with 0 and the product with x."""
    u = fma(to_float(t * t), to_float(2 / bound**2), -1)
    p = c[-1]
    for ck in reversed(c[:-1]):
        p = fma(p, u, ck)
    return fma(t, p, mpf("0.5"))


def gelu_polynomial(bound, degree):
    """(Phi(t) - 1/2)/t as a polynomial in u = 2·(t/bound)^2 - 1, error of Phi. The last coefficient is
    raised until, in float arithmetic, Phi is 1 at the bound and 0 at its negative after max(0, Phi)."""
    t = lambda u: bound * mp.sqrt((u + 1) / 2)
    f = lambda u: (mp.erf(t(u) / mp.sqrt(2)) / 2) / t(u) if u > -1 else 1 / mp.sqrt(2 * mp.pi)
    c, error = float_polynomial(f, lambda u: t(u) + mpf("0.01"), mpf(-1), mpf(1), degree)
    while phi_in_floats(c, bound, bound) != 1 or phi_in_floats(c, -bound, bound) > 0:
        c[-1] += mpf(2) ** -32
    show(f"gelu, |t| <= {bound}", c, error)


def gelu_q_polynomial(bound, degree):
    """Phi(-a)^(1/8) as a polynomial in a: the root is nearly straight, so that few terms do. Error of gelu_q,
    a·(p^8 - Phi(-a)); the margin of the weight keeps the slope at 0."""
    phi = lambda a: mp.erfc(a / mp.sqrt(2)) / 2
    weight = lambda a: (a + mpf("0.3")) * 8 * phi(a) ** (mpf(7) / 8)
    c, _ = float_polynomial(lambda a: phi(a) ** (mpf(1) / 8), weight, mpf(0), bound, degree)
    p = lambda a: sum(ck * a**k for k, ck in enumerate(c))
    error = max(abs(a * (p(a) ** 8 - phi(a))) for a in (bound * i / 2000 for i in range(2001)))
    show(f"gelu_q, a <= {bound}", c, error)


def tanh_polynomial():
    """(tanh(x) - x)/x^3 as a polynomial in s = x^2, x <= 0.625, error relative to tanh."""
    x = lambda s: mp.sqrt(s)
    f = lambda s: (mp.tanh(x(s)) - x(s)) / x(s) ** 3 if s > 0 else mpf(-1) / 3
    weight = lambda s: x(s) ** 3 / mp.tanh(x(s)) if s > 0 else mpf("1e-12")
    show("tanh", *float_polynomial(f, lambda s: weight(s) + mpf("1e-6"), mpf(0), mpf("0.625") ** 2, 4))


if __name__ == "__main__":
    exp_polynomial()
    gelu_polynomial(mpf("5.25"), 13)
    gelu_q_polynomial(mpf("5.5"), 5)
    tanh_polynomial()
