#!/usr/bin/env python3
"""Reference data for hopfield-kernels: writes separations.json, recall.json, settle.json.

Run from the root of the repository:  python benches/peers/reference/fixtures.py [output folder]
Needs numpy, torch, entmax 1.3, mpmath (comes with torch's sympy). Seeded; the same files every
  time.

All numbers are float64 printed with repr (17 digits at most: they read back to the same bits).
Matrices are lists of rows. `null` in a matrix stands for -infinity (only in "lse"/"potential" of
  probes
whose patterns are all masked). Every case states all of its inputs.

Names: t = scores of one row (theta). p = weights. g = upstream gradient dL/dp. dt = dL/dt (the
  VJP).
Entmax 1.3's functions were given t - max(t) (its bisection functions do not subtract it
  themselves),
1-D rows, float64, n_iter = 200, and never a budget above the length.

----------------------------------------------------------------------------------------------------
separations.json
  {"rows": [{"name", "t": [..], "g": [..]}, ...],          the inputs, 16 rows of lengths 1..40
   "cases": [{"row": index into rows, "sep": name, "param": number or null,
              "p": [..], "dt": [..],                        the package's values
              "p_err": x, "dt_err": x,                      greatest distance of p, dt from a
                60-digit evaluation (mpmath)
              "p_exact": [..], "dt_exact": [..],            only where that distance > 1e-13: the
                60-digit value, rounded
              "potential": G(t) = max_p p.t - Omega(p), Omega(one-hot) = 0 (from the 60-digit
                evaluation),
              "tau": the threshold, in the family's own scale (see below), where there is one,
              "support": how many weights are above 0,
              "kink": true when a weight sits on a border (|slack| < 1e-12), where dt is one of
                several subgradients: there
                     dt_exact follows the convention "an entry exactly at tau is outside the
                       support" (k-subsets: 0 and 1 are
                     both outside the active set) and the package may give another; compare p, not
                       dt, in such cases
                     unless your convention is the same,
              "dalpha": dL/dalpha, "dalpha_exact"           entmax_bisect only, by the package / by
                60 digits
             }, ...]}
  sep and param:
    softmax            p = e^t / sum
      torch.softmax
    softmax_plus  c    p = e^t / (c + sum e^t)    (softmax1 of OutEffHop at c = 1)       torch;
      shift matters, so t itself
    topk_softmax  k    softmax over the k largest, 0 elsewhere; ties: lowest index first torch
    sparsemax          [t - tau]+
      entmax.sparsemax
    entmax15           [t/2 - tau]+^2
      entmax.entmax15
    entmax        a    [(a-1) t - tau]+^(1/(a-1))
      entmax.entmax_bisect
    normmax       a    q / sum q, q = [t - tau]+^(1/(a-1)), sum q^a = 1
      entmax.normmax_bisect
    ksubsets      k    clip(t - tau, 0, 1), sum = k (k real)
      entmax.budget_bisect
  tau belongs to t as given (not to t - max). For ksubsets with no weight strictly between 0 and 1
    tau is not unique and
  is left out; there dt = 0. For softmax_plus, potential = ln(c + sum e^t). For ksubsets Omega =
    (p.p - k)/2; for topk_softmax
  G = logsumexp of the k largest. All potentials are for t as given.

----------------------------------------------------------------------------------------------------
recall.json
  {"problems": [{"name", "B", "D", "N", "E", "beta",
                 "probes": B x D, "patterns": N x D,
                 "values": N x E, or null = the patterns themselves (then E = D and dpatterns holds
                   both parts),
                 "bias": null | [N] | B x N, "bias_shape": "none" | "n" | "bn",
                 "mask": null | [N] | B x N of true = the pattern takes part, "mask_shape": "none" |
                   "n" | "bn",
                 "g_retrieved": B x E, "g_potential": [B],
                 "results": [{"sep": "softmax" | "sparsemax" | "entmax15",
                              "retrieved": B x E, "weights": B x N, "potential": [B],
                              "dprobes": B x D, "dpatterns": N x D, "dvalues": N x E or null,
                              "dbias": same shape as bias or null, "dbeta": number,
                              "margin": least distance of a score from the threshold tau (in the
                                family's scale), null for softmax}]}]}
  theta = beta probes patterns' + bias, masked entries -inf; p = sep(theta); retrieved = p values;
  potential = G(theta): for softmax logsumexp(theta) = lse. NOT divided by beta.
  The gradients are of L = sum(g_retrieved * retrieved) + sum(g_potential * potential), by torch
    autograd.
  A probe with everything masked: retrieved, weights and gradients are 0, potential null (-inf), its
    g_potential is not used.

----------------------------------------------------------------------------------------------------
settle.json
  {"problems": [{"name", "sep", "B", "D", "N", "beta", "bias": null | [N], "patterns": N x D,
    "probes": B x D,
                 "trace": [{"step": k, "x": B x D}, ...]    x after k updates, k in 1, 2, 5, 10, 50
                 "weights": B x N                            sep at the x of step 50
                 "supports": [B]                             its number of weights above 0
                 "residual": [B]                             ||T(x) - x|| at step 600
                 "jacobian_norm": [B]                        spectral norm of dT/dx there
                   (symmetric)
                 "unrolled": {"steps": 3, "g": B x D, "x": B x D, "dprobes", "dpatterns", "dbeta",
                   "dbias"}
                 "implicit": {"g": B x D, "x": the fixed points (after 600 updates), "dprobes"
                   (about 0), "dpatterns", "dbeta", "dbias",
                              "solve_err": greatest distance of dpatterns/dbeta/dbias from a direct
                                solve of u = (I - J)^-1 g}
                }]}
  update: x <- M' sep(beta M x + bias). "unrolled" and "implicit" are autograd of L = sum(g *
    x_final) through 3 and 600 updates.
"""

import json
import os
import sys

import mpmath as mp
import numpy as np
import torch
from entmax import budget_bisect, entmax15, entmax_bisect, normmax_bisect, sparsemax

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
OUT = sys.argv[1] if len(sys.argv) > 1 else "tests/data/family"
mp.mp.dps = 60
KINK = mp.mpf("1e-12")
TINY = mp.mpf("1e-40")


def lst(a):
    a = a.detach().numpy() if isinstance(a, torch.Tensor) else np.asarray(a)

    def conv(x):
        if isinstance(x, list):
            return [conv(y) for y in x]
        if isinstance(x, bool):
            return x
        if isinstance(x, float):
            if np.isneginf(x):
                return None
            assert np.isfinite(x), x
            return 0.0 if x == 0 else x
        return x

    return conv(a.tolist())


# --------------------------------------------------------------------------- 60-digit references


def bisect(f, lo, hi):
    """f falling, f(lo) >= 0 >= f(hi)."""
    assert f(lo) >= 0 and f(hi) <= TINY, (f(lo), f(hi))
    for _ in range(260):
        mid = (lo + hi) / 2
        if f(mid) >= 0:
            lo = mid
        else:
            hi = mid
    return (lo + hi) / 2


def clean(slack):
    return [x if x > TINY else mp.mpf(0) for x in slack]


def vjp_skew(p, g, a):
    s = [x ** (2 - a) if x > 0 else mp.mpf(0) for x in p]
    q = mp.fsum(x * y for x, y in zip(s, g)) / mp.fsum(s)
    return [x * (y - q) for x, y in zip(s, g)], s


def exact(sep, param, t, g):
    """returns p, dt, potential, tau (or None), kink, extra."""
    t = [mp.mpf(float(x)) for x in t]
    g = [mp.mpf(float(x)) for x in g]
    n, top = len(t), max(t)
    if sep in ("softmax", "softmax_plus", "topk_softmax"):
        keep = range(n)
        kink = False
        if sep == "topk_softmax":
            order = sorted(range(n), key=lambda i: (-t[i], i))
            keep = order[: int(param)]
            kink = int(param) < n and t[order[int(param) - 1]] - t[order[int(param)]] < KINK
        c = mp.mpf(param) if sep == "softmax_plus" else mp.mpf(0)
        e = [mp.mpf(0)] * n
        for i in keep:
            e[i] = mp.exp(t[i])
        z = c + mp.fsum(e)
        p = [x / z for x in e]
        m = mp.fsum(x * y for x, y in zip(p, g))
        return p, [x * (y - m) for x, y in zip(p, g)], mp.log(z), None, kink, {}
    if sep in ("sparsemax", "entmax15", "entmax"):
        a = {"sparsemax": mp.mpf(2), "entmax15": mp.mpf("1.5")}.get(sep) or mp.mpf(float(param))
        q = 1 / (a - 1)
        z = [(a - 1) * x for x in t]
        zt = (a - 1) * top
        tau = bisect(lambda u: mp.fsum((x - u) ** q for x in z if x > u) - 1, zt - 1, zt)
        slack = clean([x - tau for x in z])
        kink = any(abs(x - tau) < KINK for x in z)
        p = [x**q if x > 0 else mp.mpf(0) for x in slack]
        tot = mp.fsum(p)
        p = [x / tot for x in p]
        dt, s = vjp_skew(p, g, a)
        omega = mp.fsum(x**a - x for x in p) / (a * (a - 1))
        extra = {}
        if sep == "entmax":
            st = [x / mp.fsum(s) for x in s]
            plogp = [x * mp.log(x) if x > 0 else mp.mpf(0) for x in p]
            h = mp.fsum(plogp)
            extra["dalpha"] = mp.fsum(
                gi * ((pi - si) / (a - 1) ** 2 - (li - si * h) / (a - 1))
                for gi, pi, si, li in zip(g, p, st, plogp)
            )
        return p, dt, mp.fsum(x * y for x, y in zip(p, t)) - omega, tau, kink, extra
    if sep == "normmax":
        a = mp.mpf(float(param))
        q = 1 / (a - 1)
        tau = bisect(lambda u: mp.fsum((x - u) ** (q * a) for x in t if x > u) - 1, top - 1, top)
        slack = clean([x - tau for x in t])
        kink = any(abs(x - tau) < KINK for x in t)
        w = [x**q if x > 0 else mp.mpf(0) for x in slack]
        tot = mp.fsum(w)
        p = [x / tot for x in w]
        norm = mp.fsum(x**a for x in p) ** (1 / a)
        # own derivation, not the package's: q_i = (t_i - tau)^(1/(a-1)); dq_i = r_i (dt_i - dtau), r = q^(2-a)/(a-1);
        # sum q^(a-1) dq = 0 on sum q^a = 1  =>  dtau = sum q_i dt_i / sum q_i
        r = [x ** (2 - a) / (a - 1) if x > 0 else mp.mpf(0) for x in w]
        gp = mp.fsum(x * y for x, y in zip(g, p))
        gw = [(x - gp) / tot for x in g]  # dL/dw
        v = [x * y for x, y in zip(gw, r)]
        sv = mp.fsum(v)
        dt = [x - y / tot * sv for x, y in zip(v, w)]
        return p, dt, mp.fsum(x * y for x, y in zip(p, t)) - (norm - 1), tau, kink, {}
    if sep == "ksubsets":
        k = mp.mpf(float(param))
        clip = lambda x: min(max(x, mp.mpf(0)), mp.mpf(1))
        tau = bisect(lambda u: mp.fsum(clip(x - u) for x in t) - k, min(t) - 2, top)
        kink = False
        for x in t:
            if abs(x - tau) < KINK or abs(x - tau - 1) < KINK:
                kink = True
        p = [clip(x - tau) for x in t]
        p = [mp.mpf(0) if x < TINY else mp.mpf(1) if x > 1 - TINY else x for x in p]
        act = [i for i in range(n) if 0 < p[i] < 1]
        dt = [mp.mpf(0)] * n
        if act:
            m = mp.fsum(g[i] for i in act) / len(act)
            for i in act:
                dt[i] = g[i] - m
        else:  # a 0/1 vector: tau is not unique; a border only where the k-th and the next score are exactly 1 apart
            tau = None
            o = sorted(t, reverse=True)
            kink = k < n and abs(o[int(k) - 1] - o[int(k)] - 1) < KINK
        return (
            p,
            dt,
            mp.fsum(x * y for x, y in zip(p, t)) - (mp.fsum(x * x for x in p) - k) / 2,
            tau,
            kink,
            {},
        )
    raise ValueError(sep)


# --------------------------------------------------------------------------- packages


def peer(sep, param, t, g):
    T = torch.tensor(t, requires_grad=True)
    G = torch.tensor(g)
    Z = T if sep == "softmax_plus" else T - T.max().detach()
    alpha = None
    if sep == "softmax":
        p = torch.softmax(Z, -1)
    elif sep == "softmax_plus":
        m = torch.clamp(T.max(), min=0.0).detach()
        e = torch.exp(T - m)
        p = e / (param * torch.exp(-m) + e.sum())
    elif sep == "topk_softmax":
        _, idx = torch.sort(Z, descending=True, stable=True)
        keep = torch.zeros_like(Z, dtype=torch.bool)
        keep[idx[: int(param)]] = True
        p = torch.softmax(Z.masked_fill(~keep, -torch.inf), -1)
    elif sep == "sparsemax":
        p = sparsemax(Z, dim=-1)
    elif sep == "entmax15":
        p = entmax15(Z, dim=-1)
    elif sep == "entmax":
        alpha = torch.tensor([float(param)], requires_grad=True)
        p = entmax_bisect(Z, alpha=alpha, dim=-1, n_iter=200)
    elif sep == "normmax":
        p = normmax_bisect(Z, alpha=float(param), dim=-1, n_iter=200)
    elif sep == "ksubsets":
        assert param <= len(t)
        p = budget_bisect(Z, budget=float(param), dim=-1, n_iter=200)
    else:
        raise ValueError(sep)
    (p * G).sum().backward()
    return p.detach(), T.grad, None if alpha is None else alpha.grad.item()


def rows():
    r = np.random.default_rng(20240211)
    out = [
        ("one", [0.7]),
        ("two", [0.25, -0.5]),
        ("two equal", [1.5, 1.5]),
        ("five equal", [-3.0] * 5),
        ("wide gap: one-hot for all but softmax", [-4.0, 6.0, 1.0]),
        ("ties at the top", [0.5, 2.0, 2.0, -1.0, 2.0, 1.9, 0.0]),
        ("ties further down", [1.0, 0.25, 0.25, 0.25, -0.5, -0.5, -2.0, 0.875]),
        ("small spread, 8", 0.05 * r.standard_normal(8)),
        ("unit, 12", r.standard_normal(12)),
        ("offset by 1000, 12", None),
        ("offset by -1000, 6", -1000 + 0.7 * r.standard_normal(6)),
        ("mixed magnitudes, 16", r.standard_normal(16) * 10.0 ** r.integers(-3, 3, 16)),
        ("close to a tie, 5", [0.3, 0.3 + 1e-9, 0.3 - 1e-9, 0.1, -0.4]),
        ("long, 40", 0.8 * r.standard_normal(40)),
        ("on the border: 1 apart (sparsemax, normmax, k-subsets)", [1.0, 0.0, -1.0]),
        ("on the border: 2 apart (entmax15)", [2.0, 0.0, -3.0]),
    ]
    out[9] = (out[9][0], 1000 + np.asarray(out[8][1]))
    return [{"name": n, "t": np.asarray(t, float), "g": r.standard_normal(len(t))} for n, t in out]


def separations():
    R = rows()
    seps = [
        ("softmax", None),
        ("softmax_plus", 1.0),
        ("topk_softmax", 2),
        ("topk_softmax", 5),
        ("sparsemax", None),
        ("entmax15", None),
    ]
    seps += [("entmax", a) for a in (1.1, 1.25, 1.75, 2.0, 2.5, 4.0)]
    seps += [("normmax", a) for a in (1.5, 2.0, 5.0)]
    seps += [("ksubsets", k) for k in (1.0, 2.0, 3.5)]
    cases, worst = [], {}
    for ri, row in enumerate(R):
        t, g = row["t"], row["g"]
        for sep, param in seps:
            if sep in ("ksubsets", "topk_softmax") and param > len(t):
                continue
            p, dt, dalpha = peer(sep, param, t, g)
            ep, edt, pot, tau, kink, extra = exact(sep, param, t, g)
            fp, fdt = np.array([float(x) for x in ep]), np.array([float(x) for x in edt])
            perr = float(max(abs(mp.mpf(float(x)) - y) for x, y in zip(p, ep)))
            derr = float(max(abs(mp.mpf(float(x)) - y) for x, y in zip(dt, edt)))
            c = {
                "row": ri,
                "sep": sep,
                "param": param,
                "p": lst(p),
                "dt": lst(dt),
                "p_err": float(f"{perr:.2e}"),
                "dt_err": float(f"{derr:.2e}"),
                "potential": float(pot),
                "tau": None if tau is None else float(tau),
                "support": int((fp > 0).sum()),
                "kink": bool(kink),
            }
            if tau is None:
                del c["tau"]
            if not perr <= 1e-13:
                c["p_exact"] = lst(fp)
            if not derr <= 1e-13:
                c["dt_exact"] = lst(fdt)
            if dalpha is not None:
                c["dalpha"], c["dalpha_exact"] = dalpha, float(extra["dalpha"])
            cases.append(c)
            w = worst.setdefault((sep, param), [0, 0, 0])
            w[0] = max(w[0], perr)
            w[1] = max(w[1], derr)
            w[2] += kink
    for k, w in worst.items():
        print(
            f"  {k[0]:13s} {str(k[1]):5s} worst |p - exact| {w[0]:.1e}  |dt - exact| {w[1]:.1e}  kinks {w[2]}"
        )
    return {
        "rows": [{"name": r["name"], "t": lst(r["t"]), "g": lst(r["g"])} for r in R],
        "cases": cases,
    }


# --------------------------------------------------------------------------- recall


SEPS = {
    "softmax": lambda z: torch.softmax(z, -1),
    "sparsemax": lambda z: sparsemax(z, -1),
    "entmax15": lambda z: entmax15(z, -1),
}


def potential(sep, theta, p):
    """G for finite theta; through p held fixed its gradient is p (envelope theorem)."""
    if sep == "softmax":
        return torch.logsumexp(theta, -1)
    p = p.detach()
    om = 0.5 * ((p * p).sum(-1) - 1) if sep == "sparsemax" else (p**1.5 - p).sum(-1) / 0.75
    return (p * theta).sum(-1) - om


def margin(sep, theta, p):
    """least |z - tau| over the entries; tau from the largest entry."""
    if sep == "softmax":
        return None
    z = theta if sep == "sparsemax" else theta / 2
    i = int(p.argmax())
    tau = z[i] - (p[i] if sep == "sparsemax" else p[i].sqrt())
    return float((z - tau).abs().min())


def recall():
    r = np.random.default_rng(77)
    specs = [  # name, B, D, N, E, beta, auto, bias, mask
        ("plain auto", 3, 4, 6, 4, 0.9, True, "none", "none"),
        ("values", 3, 5, 7, 2, 0.6, False, "none", "none"),
        ("bias per pattern", 2, 4, 9, 3, 1.3, False, "n", "none"),
        ("bias per probe and pattern, auto", 4, 3, 8, 3, 0.8, True, "bn", "none"),
        ("mask per pattern", 3, 6, 10, 4, 0.5, False, "none", "n"),
        (
            "mask per probe and pattern, bias, one probe fully masked",
            4,
            4,
            8,
            3,
            0.7,
            False,
            "n",
            "bn",
        ),
        ("both per probe, auto, wider", 2, 9, 17, 9, 0.35, True, "bn", "bn"),
        ("duplicated patterns, one probe", 1, 5, 6, 4, 0.75, False, "none", "none"),
    ]
    problems = []
    for name, B, D, N, E, beta, auto, bs, ms in specs:
        for attempt in range(200):  # no entry on a border, so that all gradients are classical
            M = r.standard_normal((N, D))
            if name.startswith("duplicated"):
                M[3] = M[0]
                M[5] = M[0]
            X = M[r.integers(0, N, B)] * 0.6 + 0.5 * r.standard_normal((B, D))
            V = None if auto else r.standard_normal((N, E))
            bias = {
                "none": None,
                "n": 0.5 * r.standard_normal(N),
                "bn": 0.5 * r.standard_normal((B, N)),
            }[bs]
            mask = {"none": None, "n": r.random(N) < 0.7, "bn": r.random((B, N)) < 0.7}[ms]
            if "fully masked" in name:
                mask[2] = False
            gR, gP = r.standard_normal((B, E)), r.standard_normal(B)
            results, ok = [], True
            for sep, f in SEPS.items():
                x, m = torch.tensor(X, requires_grad=True), torch.tensor(M, requires_grad=True)
                v = m if auto else torch.tensor(V, requires_grad=True)
                be = torch.tensor(beta, requires_grad=True)
                bi = None if bias is None else torch.tensor(bias, requires_grad=True)
                out, wts, pots, loss, marg = [], [], [], 0.0, []
                for b in range(B):
                    th = be * (m @ x[b])
                    if bi is not None:
                        th = th + (bi if bs == "n" else bi[b])
                    keep = (
                        torch.arange(N)
                        if mask is None
                        else torch.nonzero(torch.tensor(mask if ms == "n" else mask[b])).flatten()
                    )
                    w = torch.zeros(N)
                    if len(keep) == 0:
                        out.append(torch.zeros(E)), wts.append(w), pots.append(-np.inf)
                        continue
                    tk = th[keep]
                    p = f(tk)
                    o = p @ v[keep]
                    po = potential(sep, tk, p)
                    loss = loss + (torch.tensor(gR[b]) * o).sum() + gP[b] * po
                    w[keep] = p.detach()
                    out.append(o.detach()), wts.append(w), pots.append(po.item())
                    mg = margin(sep, tk.detach(), p.detach())
                    if mg is not None:
                        marg.append(mg)
                    if sep != "softmax" and "duplicated" not in name and int((p > 0).sum()) > 8:
                        ok = False
                loss.backward()
                if marg and min(marg) < 1e-3:
                    ok = False
                results.append(
                    {
                        "sep": sep,
                        "retrieved": lst(torch.stack(out)),
                        "weights": lst(torch.stack(wts)),
                        "potential": lst(np.array(pots)),
                        "dprobes": lst(x.grad),
                        "dpatterns": lst(m.grad),
                        "dvalues": None if auto else lst(v.grad),
                        "dbias": None if bi is None else lst(bi.grad),
                        "dbeta": be.grad.item(),
                        "margin": min(marg) if marg else None,
                    }
                )
            e15 = (np.array(results[2]["weights"]) > 0).sum(1)
            if ok and (e15 >= 2).sum() >= (B + 1) // 2:
                break
        else:
            raise RuntimeError(name)
        print(
            f"  {name}: supports sparsemax {(np.array(results[1]['weights']) > 0).sum(1)} entmax15 {e15} of {N}"
        )
        problems.append(
            {
                "name": name,
                "B": B,
                "D": D,
                "N": N,
                "E": E,
                "beta": beta,
                "probes": lst(X),
                "patterns": lst(M),
                "values": None if auto else lst(V),
                "bias": None if bias is None else lst(bias),
                "bias_shape": bs,
                "mask": None if mask is None else lst(mask),
                "mask_shape": ms,
                "g_retrieved": lst(gR),
                "g_potential": lst(gP),
                "results": results,
            }
        )
    # the first problem's softmax against torch's own attention
    q = problems[0]
    sd = torch.nn.functional.scaled_dot_product_attention(
        torch.tensor(q["probes"])[None],
        torch.tensor(q["patterns"])[None],
        torch.tensor(q["patterns"])[None],
        scale=q["beta"],
    )[0]
    assert np.abs(lst(sd) - np.array(q["results"][0]["retrieved"])).max() < 1e-14
    return {"problems": problems}


# --------------------------------------------------------------------------- settle


def settle():
    r = np.random.default_rng(4242)
    problems = []
    for sep, name, B, D, N, beta, with_bias in (
        ("softmax", "softmax", 3, 5, 8, 1.2, False),
        ("softmax", "softmax with bias", 3, 4, 10, 0.9, True),
        ("entmax15", "entmax15", 3, 5, 8, 0.45, False),
        ("entmax15", "entmax15 with bias", 3, 4, 10, 0.4, True),
    ):
        f = SEPS[sep]
        for attempt in range(5000):
            M = r.standard_normal((N, D))
            X = M[:B] + 0.4 * r.standard_normal((B, D))
            bias = 0.5 * r.standard_normal(N) if with_bias else None
            bt = torch.zeros(N) if bias is None else torch.tensor(bias)
            m = torch.tensor(M)

            def T(x, m_=None, be=beta, b_=None):
                m_ = m if m_ is None else m_
                b_ = bt if b_ is None else b_
                return f(be * (x @ m_.T) + b_) @ m_

            x = torch.tensor(X)
            trace, res = {}, None
            for k in range(1, 601):
                y = T(x)
                res = (y - x).norm(dim=-1)
                x = y
                if k in (1, 2, 5, 10, 50):
                    trace[k] = x
            res = (T(x) - x).norm(dim=-1)
            norms, mg, jac = [], [], []
            for b in range(B):
                J = torch.autograd.functional.jacobian(lambda z: T(z[None])[0], x[b])
                jac.append(J)
                norms.append(torch.linalg.matrix_norm(J, 2).item())
                th = beta * (m @ x[b]) + bt
                mg.append(margin(sep, th, f(th)))
            P = f(beta * (x @ m.T) + bt)
            sup = (P > 0).sum(-1)
            good = max(norms) < 0.9 and float(res.max()) < 3e-15
            if sep == "softmax":
                good = good and min(norms) > 0.05 and float(P.max(-1).values.min()) < 0.995
            else:
                good = (
                    good
                    and min(mg) > 1e-2
                    and int((sup >= 2).sum()) >= 2
                    and len(set(sup.tolist())) >= 2
                )
            d01 = [(x[i] - x[j]).norm().item() for i in range(B) for j in range(i)]
            if good and sum(d > 1e-3 for d in d01) >= 2:
                break
        else:
            raise RuntimeError(name)
        g = r.standard_normal((B, D))

        def grads(steps):
            xt, mt = torch.tensor(X, requires_grad=True), torch.tensor(M, requires_grad=True)
            be, bi = torch.tensor(beta, requires_grad=True), bt.clone().requires_grad_(True)
            z = xt
            for _ in range(steps):
                z = T(z, mt, be, bi)
            (torch.tensor(g) * z).sum().backward()
            return {
                "g": lst(g),
                "x": lst(z),
                "dprobes": lst(xt.grad),
                "dpatterns": lst(mt.grad),
                "dbeta": be.grad.item(),
                "dbias": None if bias is None else lst(bi.grad),
            }

        un, im = grads(3), grads(600)
        un["steps"] = 3
        # direct solve: u = (I - J)^-1 g, then one VJP of one update at the fixed point
        mt, be, bi = (
            torch.tensor(M, requires_grad=True),
            torch.tensor(beta, requires_grad=True),
            bt.clone().requires_grad_(True),
        )
        u = torch.stack(
            [torch.linalg.solve(torch.eye(D) - jac[b].T, torch.tensor(g[b])) for b in range(B)]
        )
        (u * T(x, mt, be, bi)).sum().backward()
        err = max(
            (mt.grad - torch.tensor(im["dpatterns"])).abs().max().item(),
            abs(be.grad.item() - im["dbeta"]),
            0.0 if bias is None else (bi.grad - torch.tensor(im["dbias"])).abs().max().item(),
        )
        im["solve_err"] = float(f"{err:.1e}")
        w50 = f(beta * (trace[50] @ m.T) + bt)
        print(
            f"  {name}: attempt {attempt}, supports {sup.tolist()}, |J| {[round(v, 3) for v in norms]}, residual {float(res.max()):.1e}, "
            f"step-50 distance {float((trace[50] - x).abs().max()):.1e}, implicit against solve {err:.1e}"
        )
        problems.append(
            {
                "name": name,
                "sep": sep,
                "B": B,
                "D": D,
                "N": N,
                "beta": beta,
                "bias": None if bias is None else lst(bias),
                "patterns": lst(M),
                "probes": lst(X),
                "trace": [{"step": k, "x": lst(v)} for k, v in trace.items()],
                "weights": lst(w50),
                "supports": (w50 > 0).sum(-1).tolist(),
                "residual": lst(res),
                "jacobian_norm": norms,
                "unrolled": un,
                "implicit": im,
            }
        )
    return {"problems": problems}


def main():
    os.makedirs(OUT, exist_ok=True)
    total = 0
    for name, fn in (("separations", separations), ("recall", recall), ("settle", settle)):
        print(name)
        path = os.path.join(OUT, name + ".json")
        text = json.dumps(fn(), separators=(",", ":"), allow_nan=False)
        with open(path, "w") as h:
            h.write(text + "\n")
        total += len(text)
        print(f"  -> {path}: {len(text)} bytes")
    print("all:", total, "bytes; torch", torch.__version__, "numpy", np.__version__)


if __name__ == "__main__":
    main()
