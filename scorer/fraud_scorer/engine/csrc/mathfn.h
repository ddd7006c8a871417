/* exp, log and what is built on them, from additions, multiplications and divisions only: the C
 * library's differ between machines (it picks variants with fused multiply-add at run time).
 *
 * Error bounds (checked against decimal arithmetic in tests/unit/engine/test_mathfn.py):
 * exp and exp2 0.52 ulp (subnormal results 1 ulp), log 1 ulp, log1p 3 ulp, expit 2.6 ulp.
 */
#ifndef FDM_MATHFN_H
#define FDM_MATHFN_H

double fdm_exp(double x);
double fdm_exp2(double x);
double fdm_log(double x);
double fdm_log1p(double x);
/* 1 / (1 + exp(-x)) */
double fdm_expit(double x);

#endif
