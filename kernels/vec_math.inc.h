/*
 * exp, the normal distribution function and tanh over 16 lanes. Included once by each ops_*.c,
 * after its vec_*.h. Each works in place on n vectors side by side, since one chain of dependent
 * operations would leave the units idle; n is a constant, at best BR_CHAINS. The polynomials were
 * fitted by Lawson's iteratively reweighted least squares (which tends to the minimax polynomial)
 * and rounded to f32.
 */

#define BR_EACH_CHAIN(i, n) _Pragma("GCC unroll 4") for (int i = 0; i < (n); i++)

/* p = p * x + constant */
#define BR_HORNER(n, p, x, constant)                                                               \
    BR_EACH_CHAIN (i, n)                                                                           \
    (p)[i] = v_fma((p)[i], (x)[i], v_set(constant))

/*
 * x = k ln 2 + r, |r| <= ln 2 / 2: leaves r in x and 2^k in scale. For x in [-87.33, 88.37].
 * Adding 1.5 * 2^23 rounds to an integer; adding 127 more leaves k's exponent field in the low
 * bits. One constant is enough for ln 2: the f32 nearest to it is off by 1.9e-9, so r by 2.4e-7 at
 * most.
 */
BR_INLINE void v_reduce(const int n, vf *x, vf *scale)
{
    const vf magic = v_set(0x1.8p23f + 127);
    vf k[4];
    BR_EACH_CHAIN (i, n)
        scale[i] = v_fma(x[i], v_set(0x1.715476p0f), magic);
    BR_EACH_CHAIN (i, n)
        k[i] = v_sub(scale[i], magic);
    BR_EACH_CHAIN (i, n)
        x[i] = v_fma(k[i], v_set(-0x1.62e43p-1f), x[i]);
    BR_EACH_CHAIN (i, n)
        scale[i] = v_bits(vi_shl(vi_bits(scale[i]), 23));
}

/*
 * exp(x) for x <= 88.37; below -87.33 it stays at exp(-87.33), about 1e-38. The polynomial's
 * relative error is 9.2e-8 on |r| <= ln 2 / 2.
 */
BR_INLINE void v_exp(const int n, vf *x)
{
    vf scale[4], p[4];
    BR_EACH_CHAIN (i, n)
        x[i] = v_max(v_set(-0x1.5d58ap6f), x[i]); /* NaN stays */
    v_reduce(n, x, scale);
    BR_EACH_CHAIN (i, n)
        p[i] = v_set(0x1.0fa7d8p-7f);
    BR_HORNER(n, p, x, 0x1.573adp-5f);
    BR_HORNER(n, p, x, 0x1.555a6ep-3f);
    BR_HORNER(n, p, x, 0x1.fffdc4p-2f);
    BR_HORNER(n, p, x, 0x1.fffff6p-1f);
    BR_HORNER(n, p, x, 1);
    BR_EACH_CHAIN (i, n)
        x[i] = v_mul(p[i], scale[i]);
}

/*
 * exp(-times[i] * x[i]), times being 1 or 2, held within 2^-42 and 2^42, so that a product of three
 * stays finite; exactly 1 for 0. As v_reduce(), but of a multiple of 1 / ln 2 that is r + k, |r| <=
 * 1/2. The polynomial's relative error is 9.1e-8.
 */
BR_INLINE void v_exp_minus(const int n, vf *x, const float *times)
{
    const vf magic = v_set(0x1.8p23f + 127);
    vf factor[4], scale[4], p[4];
    BR_EACH_CHAIN (i, n) {
        vf limit = v_set(29.1f / times[i]);
        x[i] = v_max(v_sub(v_set(0), limit), v_min(limit, x[i])); /* NaN stays */
        factor[i] = v_set(-0x1.715476p0f * times[i]);
        p[i] = v_set(0x1.5bba14p-10f);
    }
    BR_EACH_CHAIN (i, n)
        scale[i] = v_fma(x[i], factor[i], magic);
    BR_EACH_CHAIN (i, n)
        x[i] = v_fma(x[i], factor[i], v_sub(magic, scale[i]));
    BR_HORNER(n, p, x, 0x1.3cea88p-7f);
    BR_HORNER(n, p, x, 0x1.c6b752p-5f);
    BR_HORNER(n, p, x, 0x1.ebf9bcp-3f);
    BR_HORNER(n, p, x, 0x1.62e42ap-1f);
    BR_HORNER(n, p, x, 1);
    BR_EACH_CHAIN (i, n)
        x[i] = v_mul(p[i], v_bits(vi_shl(vi_bits(scale[i]), 23)));
}

/* 1 / (1 + exp(-x)), at least 1.6e-38: denormals are slow. */
BR_INLINE void v_sigmoid(const int n, vf *x)
{
    BR_EACH_CHAIN (i, n)
        x[i] = v_min(v_set(87), v_sub(v_set(0), x[i]));
    v_exp(n, x);
    BR_EACH_CHAIN (i, n)
        x[i] = v_div(v_set(1), v_add(v_set(1), x[i]));
}

/*
 * tanh(x) = E / (E + 2) with E = exp(2|x|) - 1 = 2^k (exp(r) - 1) + (2^k - 1), which keeps the
 * precision of small x. The polynomial's error, relative to exp(r), is 3.1e-9.
 */
BR_INLINE void v_tanh(const int n, vf *x)
{
    vf r[4], scale[4], p[4];
    BR_EACH_CHAIN (i, n) {
        vf magnitude = v_bits(vi_and(vi_bits(x[i]), vi_set(INT32_MAX)));
        r[i] = v_min(v_set(20), v_add(magnitude, magnitude));
        p[i] = v_set(0x1.6a23cep-10f);
    }
    v_reduce(n, r, scale);
    BR_HORNER(n, p, r, 0x1.123a2p-7f);
    BR_HORNER(n, p, r, 0x1.5558f2p-5f);
    BR_HORNER(n, p, r, 0x1.555492p-3f);
    BR_HORNER(n, p, r, 0x1.fffffcp-2f);
    BR_EACH_CHAIN (i, n) {
        p[i] = v_fma(v_mul(p[i], r[i]), r[i], r[i]);
        vf expm1 = v_fma(p[i], scale[i], v_sub(scale[i], v_set(1)));
        x[i] = v_copysign(v_div(expm1, v_add(expm1, v_set(2))), x[i]);
    }
}

/*
 * x * Phi(x), Phi the normal distribution function: Phi(x) = 1/2 + x g(u), u = x^2 * 2/5.25^2 - 1,
 * with |x| held below 5.2497, where the f32 evaluation gives 1/2 to 1e-13. g is a polynomial in u,
 * which is in [-1, 1] and so, unlike x^2, keeps the terms small. Error of Phi as fitted 8.0e-8; of
 * the result, with roundings, below 2.5e-7 * max(1, |x|). Even and odd powers are two chains, since
 * one of 13 steps would fill the scheduler with operations that wait.
 */
BR_INLINE void v_gelu(const int n, vf *x)
{
    static const float g[14] = {
        0.13465937972068787f,   -0.06712663918733597f,  0.0496438592672348f,
        -0.03976903110742569f,  0.032064810395240784f,  -0.024991486221551895f,
        0.0183232631534338f,    -0.012967098504304886f, 0.009076433256268501f,
        -0.005097409710288048f, 0.0018633297877386212f, -0.0013454207219183445f,
        0.0014589033089578152f, -0.0005548003828153014f};
    const float limit = 5.2496795654296875f;
    vf bounded[4], u[4], w[4], even[4], odd[4];
    BR_EACH_CHAIN (i, n)
        bounded[i] = v_max(v_set(-limit), v_min(v_set(limit), x[i]));
    BR_EACH_CHAIN (i, n)
        u[i] = v_fma(v_mul(bounded[i], bounded[i]), v_set(0.07256235927343369f), v_set(-1));
    BR_EACH_CHAIN (i, n)
        w[i] = v_mul(u[i], u[i]);
    BR_EACH_CHAIN (i, n)
        even[i] = v_set(g[12]);
    BR_EACH_CHAIN (i, n)
        odd[i] = v_set(g[13]);
#pragma GCC unroll 6
    for (int k = 10; k >= 0; k -= 2) {
        BR_HORNER(n, odd, w, g[k + 1]);
        BR_HORNER(n, even, w, g[k]);
    }
    BR_EACH_CHAIN (i, n)
        even[i] = v_fma(odd[i], u[i], even[i]);
    BR_EACH_CHAIN (i, n)
        x[i] = v_mul(x[i], v_fma(bounded[i], even[i], v_set(0.5f)));
}

/*
 * The same for rows that become 8 bits next, at two thirds of the cost: max(x, 0) - h(|x|), h(t) =
 * t Phi(-t) by a cubic on each of 15 intervals around the multiples of 1/3, found in tables, and 0
 * beyond. Minimax: error below 5.5e-6, below 6e-7 for |x| < 1/6.
 */
BR_INLINE void v_gelu_coarse(const int n, vf *x)
{
    static const float h[4][16] = {
        {0, -0.0005138362f, -0.005382973f, 0.00012069747f, 0.06569027f, 0.22366293f, 0.42699122f,
         0.57156867f, 0.5853538f, 0.47962263f, 0.32312435f, 0.18225853f, 0.08719187f, 0.035710093f,
         0.011745041f, 0},
        {0.50005424f, 0.5072606f, 0.53725f, 0.5206867f, 0.35514566f, 0.039791394f, -0.29478335f,
         -0.4976302f, -0.51608557f, -0.4048108f, -0.25638685f, -0.13521461f, -0.06045264f,
         -0.023174947f, -0.0071214447f, 0},
        {-0.4009494f, -0.4358107f, -0.4985117f, -0.482455f, -0.34273875f, -0.1324751f, 0.051283985f,
         0.14623062f, 0.15438715f, 0.11533131f, 0.068388075f, 0.03363134f, 0.014027451f,
         0.005027704f, 0.0014422542f, 0},
        {0.02103096f, 0.08080088f, 0.12522632f, 0.12030477f, 0.080879316f, 0.03405416f,
         0.00036769206f, -0.014458237f, -0.015650274f, -0.011078619f, -0.006127355f, -0.0028029683f,
         -0.0010889677f, -0.00036453851f, -0.00009754622f, 0}};
    const vf magic = v_set(0x1.8p23f);
    const vf c0 = v_load(h[0]), c1 = v_load(h[1]), c2 = v_load(h[2]), c3 = v_load(h[3]);
    vf t[4], p[4];
    vi i[4];
    BR_EACH_CHAIN (k, n)
        t[k] = v_bounded_magnitude(x[k], 5);
    BR_EACH_CHAIN (k, n)
        i[k] = vi_bits(v_fma(t[k], v_set(3), magic)); /* rounds: the interval's number */
    BR_EACH_CHAIN (k, n)
        p[k] = v_fma(v_lookup(c3, i[k]), t[k], v_lookup(c2, i[k]));
    BR_EACH_CHAIN (k, n)
        p[k] = v_fma(p[k], t[k], v_lookup(c1, i[k]));
    BR_EACH_CHAIN (k, n)
        p[k] = v_fma(p[k], t[k], v_lookup(c0, i[k]));
    BR_EACH_CHAIN (k, n)
        x[k] = v_sub(v_max(v_set(0), x[k]), p[k]); /* NaN stays */
}

/* x * sigmoid(2 y), y = sqrt(2 / pi) (x + 0.044715 x^3); the same as x/2 (1 + tanh(y)). */
BR_INLINE void v_gelu_tanh(const int n, vf *x)
{
    const float a = 1.5957691216057308f,
                b = 0.07135481627152765f; /* 2 sqrt(2/pi), 0.044715 of it */
    vf y[4];
    BR_EACH_CHAIN (i, n)
        y[i] = v_mul(x[i], v_fma(v_mul(x[i], x[i]), v_set(b), v_set(a)));
    v_sigmoid(n, y);
    BR_EACH_CHAIN (i, n)
        x[i] = v_mul(x[i], y[i]);
}
