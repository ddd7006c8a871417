#include "mathfn.h"

#include <stdint.h>
#include <string.h>

static double from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t to_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

#define INF from_bits(0x7ff0000000000000u)

/* 2^(i/64), as the nearest double and what is left of it. */
static const double EXP_TABLE[64][2] = {
    {0x1.0000000000000p+0, 0x0.0p+0},
    {0x1.02c9a3e778061p+0, -0x1.19083535b085dp-56},
    {0x1.059b0d3158574p+0, 0x1.d73e2a475b465p-55},
    {0x1.0874518759bc8p+0, 0x1.186be4bb284ffp-57},
    {0x1.0b5586cf9890fp+0, 0x1.8a62e4adc610bp-54},
    {0x1.0e3ec32d3d1a2p+0, 0x1.03a1727c57b53p-59},
    {0x1.11301d0125b51p+0, -0x1.6c51039449b3ap-54},
    {0x1.1429aaea92de0p+0, -0x1.32fbf9af1369ep-54},
    {0x1.172b83c7d517bp+0, -0x1.19041b9d78a76p-55},
    {0x1.1a35beb6fcb75p+0, 0x1.e5b4c7b4968e4p-55},
    {0x1.1d4873168b9aap+0, 0x1.e016e00a2643cp-54},
    {0x1.2063b88628cd6p+0, 0x1.dc775814a8495p-55},
    {0x1.2387a6e756238p+0, 0x1.9b07eb6c70573p-54},
    {0x1.26b4565e27cddp+0, 0x1.2bd339940e9d9p-55},
    {0x1.29e9df51fdee1p+0, 0x1.612e8afad1255p-55},
    {0x1.2d285a6e4030bp+0, 0x1.0024754db41d5p-54},
    {0x1.306fe0a31b715p+0, 0x1.6f46ad23182e4p-55},
    {0x1.33c08b26416ffp+0, 0x1.32721843659a6p-54},
    {0x1.371a7373aa9cbp+0, -0x1.63aeabf42eae2p-54},
    {0x1.3a7db34e59ff7p+0, -0x1.5e436d661f5e3p-56},
    {0x1.3dea64c123422p+0, 0x1.ada0911f09ebcp-55},
    {0x1.4160a21f72e2ap+0, -0x1.ef3691c309278p-58},
    {0x1.44e086061892dp+0, 0x1.89b7a04ef80d0p-59},
    {0x1.486a2b5c13cd0p+0, 0x1.3c1a3b69062f0p-56},
    {0x1.4bfdad5362a27p+0, 0x1.d4397afec42e2p-56},
    {0x1.4f9b2769d2ca7p+0, -0x1.4b309d25957e3p-54},
    {0x1.5342b569d4f82p+0, -0x1.07abe1db13cadp-55},
    {0x1.56f4736b527dap+0, 0x1.9bb2c011d93adp-54},
    {0x1.5ab07dd485429p+0, 0x1.6324c054647adp-54},
    {0x1.5e76f15ad2148p+0, 0x1.ba6f93080e65ep-54},
    {0x1.6247eb03a5585p+0, -0x1.383c17e40b497p-54},
    {0x1.6623882552225p+0, -0x1.bb60987591c34p-54},
    {0x1.6a09e667f3bcdp+0, -0x1.bdd3413b26456p-54},
    {0x1.6dfb23c651a2fp+0, -0x1.bbe3a683c88abp-57},
    {0x1.71f75e8ec5f74p+0, -0x1.16e4786887a99p-55},
    {0x1.75feb564267c9p+0, -0x1.0245957316dd3p-54},
    {0x1.7a11473eb0187p+0, -0x1.41577ee04992fp-55},
    {0x1.7e2f336cf4e62p+0, 0x1.05d02ba15797ep-56},
    {0x1.82589994cce13p+0, -0x1.d4c1dd41532d8p-54},
    {0x1.868d99b4492edp+0, -0x1.fc6f89bd4f6bap-54},
    {0x1.8ace5422aa0dbp+0, 0x1.6e9f156864b27p-54},
    {0x1.8f1ae99157736p+0, 0x1.5cc13a2e3976cp-55},
    {0x1.93737b0cdc5e5p+0, -0x1.75fc781b57ebcp-57},
    {0x1.97d829fde4e50p+0, -0x1.d185b7c1b85d1p-54},
    {0x1.9c49182a3f090p+0, 0x1.c7c46b071f2bep-56},
    {0x1.a0c667b5de565p+0, -0x1.359495d1cd533p-54},
    {0x1.a5503b23e255dp+0, -0x1.d2f6edb8d41e1p-54},
    {0x1.a9e6b5579fdbfp+0, 0x1.0fac90ef7fd31p-54},
    {0x1.ae89f995ad3adp+0, 0x1.7a1cd345dcc81p-54},
    {0x1.b33a2b84f15fbp+0, -0x1.2805e3084d708p-57},
    {0x1.b7f76f2fb5e47p+0, -0x1.5584f7e54ac3bp-56},
    {0x1.bcc1e904bc1d2p+0, 0x1.23dd07a2d9e84p-55},
    {0x1.c199bdd85529cp+0, 0x1.11065895048ddp-55},
    {0x1.c67f12e57d14bp+0, 0x1.2884dff483cadp-54},
    {0x1.cb720dcef9069p+0, 0x1.503cbd1e949dbp-56},
    {0x1.d072d4a07897cp+0, -0x1.cbc3743797a9cp-54},
    {0x1.d5818dcfba487p+0, 0x1.2ed02d75b3707p-55},
    {0x1.da9e603db3285p+0, 0x1.c2300696db532p-54},
    {0x1.dfc97337b9b5fp+0, -0x1.1a5cd4f184b5cp-54},
    {0x1.e502ee78b3ff6p+0, 0x1.39e8980a9cc8fp-55},
    {0x1.ea4afa2a490dap+0, -0x1.e9c23179c2893p-54},
    {0x1.efa1bee615a27p+0, 0x1.dc7f486a4b6b0p-54},
    {0x1.f50765b6e4540p+0, 0x1.9d3e12dd8a18bp-54},
    {0x1.fa7c1819e90d8p+0, 0x1.74853f3a5931ep-55},
};

/* 2^(k/64) * e^r for |r| <= ln(2)/128 and any k that leaves a double. The sum's small part is
 * below 2^-7 of the result, so its own roundings cost less than 0.02 ulp. */
static double exp_scaled(int64_t k, double r) {
    const double *t = EXP_TABLE[k & 63];
    int64_t e = k >> 6;
    double p = r + r * r *
                       (1.0 / 2 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120 + r * (1.0 / 720)))));
    double y = t[0] + (t[1] + t[0] * p);
    if (e > -1022 && e < 1023) return y * from_bits((uint64_t)(e + 1023) << 52);
    /* Near the ends the power itself is no double: two steps. */
    if (e > 0) return y * 2.0 * from_bits((uint64_t)(e - 1 + 1023) << 52);
    return y * from_bits((uint64_t)(e + 128 + 1023) << 52) * 0x1p-128;
}

/* The nearest integer: adding 1.5 * 2^52 leaves it in the low bits. */
static double round_nearest(double x) {
    volatile double shifted = x + 0x1.8p52;
    return shifted - 0x1.8p52;
}

double fdm_exp(double x) {
    if (!(x <= 709.782712893384)) return x > 0 ? INF : x; /* NaN stays */
    if (x < -745.1332191019412) return 0.0;
    double k = round_nearest(x * 0x1.71547652b82fep+6); /* 64 / ln 2 */
    /* ln(2)/64 in two parts; the first has 32 bits, so that k times it is exact. */
    double r = (x - k * 0x1.62e42fee00000p-7) - k * 0x1.a39ef35793c76p-39;
    return exp_scaled((int64_t)k, r);
}

double fdm_exp2(double x) {
    if (!(x < 1024.0)) return x > 0 ? INF : x;
    if (x < -1075.0) return 0.0;
    double k = round_nearest(x * 64.0);
    return exp_scaled((int64_t)k, (x - k * 0x1p-6) * 0x1.62e42fefa39efp-1);
}

double fdm_log(double x) {
    if (!(x > 0.0)) return x == 0.0 ? -INF : (x - x) / 0.0 * 0.0;
    if (x == INF) return x;
    int e = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        e = -54;
    }
    uint64_t bits = to_bits(x);
    e += (int)(bits >> 52) - 1023;
    double m = from_bits((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
    if (m > 0x1.6a09e667f3bcdp+0) { /* sqrt 2 */
        m *= 0.5;
        e += 1;
    }
    /* log(1 + f) = 2 atanh(s), s = f / (2 + f), |s| < 0.172, written so that f, which is exact,
     * carries most of the result. */
    double f = m - 1.0;
    double s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    double q = z * (2.0 / 3 +
                    z * (2.0 / 5 +
                         z * (2.0 / 7 +
                              z * (2.0 / 9 +
                                   z * (2.0 / 11 +
                                        z * (2.0 / 13 +
                                             z * (2.0 / 15 +
                                                  z * (2.0 / 17 + z * (2.0 / 19 + z * (2.0 / 21))))))))));
    double k = (double)e;
    if (e == 0) return f - (half - s * (half + q));
    return k * 0x1.62e42fee00000p-1 - ((half - (s * (half + q) + k * 0x1.a39ef35793c76p-33)) - f);
}

double fdm_log1p(double x) {
    if (!(x > -1.0)) return x == -1.0 ? -INF : (x - x) / 0.0 * 0.0;
    if (x == INF) return x;
    volatile double sum = 1.0 + x; /* what the sum lost is put back to first order */
    double u = sum;
    if (u == 1.0) return x;
    return fdm_log(u) * (x / (u - 1.0));
}

double fdm_expit(double x) { return 1.0 / (1.0 + fdm_exp(-x)); }
