/* Running a model's program: each operation reads slots that earlier ones wrote and writes its own.
 * A row that scikit-learn would refuse (a missing value where none is taken, infinity, an unknown
 * category) is marked and goes on with harmless numbers, so that its neighbours in the batch are
 * untouched by it.
 */
#include <math.h>
#include <string.h>

#include "fdm.h"
#include "mathfn.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
/* Round to nearest, denormals kept, nothing trapped: what a thread starts with, and what another
 * library may have changed. */
fdm_fpu fdm_fpu_enter(void) {
    fdm_fpu state = {_mm_getcsr()};
    if ((state.saved & 0xffc0u) != 0x1f80u) _mm_setcsr(0x1f80u);
    return state;
}
void fdm_fpu_leave(fdm_fpu state) {
    if ((state.saved & 0xffc0u) != 0x1f80u) _mm_setcsr((unsigned)state.saved);
}
#elif defined(__aarch64__)
fdm_fpu fdm_fpu_enter(void) {
    fdm_fpu state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state.saved));
    if (state.saved) __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
    return state;
}
void fdm_fpu_leave(fdm_fpu state) {
    if (state.saved) __asm__ volatile("msr fpcr, %0" : : "r"(state.saved));
}
#else
fdm_fpu fdm_fpu_enter(void) {
    fdm_fpu state = {0};
    return state;
}
void fdm_fpu_leave(fdm_fpu state) { (void)state; }
#endif

static void refuse(fdm_refusal *refusal, int why, uint32_t slot) {
    if (refusal->why == FDM_OK) {
        refusal->why = why;
        refusal->slot = slot;
    }
}

static void check(const fdm_op *op, const double *v, fdm_refusal *refusal) {
    double largest = op->flags & FDM_CHECK_FLOAT32 ? 0x1.fffffefffffffp+127 : DBL_MAX;
    if (op->adjacent) { /* the usual row in one sweep */
        const double *in = v + op->a[0];
        int fine = 1;
        for (uint32_t i = 0; i < op->n; i++) fine &= fabs(in[i]) <= largest;
        if (fine) return;
    }
    for (uint32_t i = 0; i < op->n; i++) {
        double x = v[op->a[i]];
        if (fabs(x) <= largest) continue;
        if (x != x) {
            if (op->flags & FDM_CHECK_NAN) refuse(refusal, FDM_NULL, op->a[i]);
        } else if (op->flags & FDM_CHECK_INF) {
            refuse(refusal, FDM_INFINITE, op->a[i]);
        }
    }
}

static int is_missing(double x, double marker) { return x == marker || (x != x && marker != marker); }

static void lookup(const fdm_op *op, double *v, fdm_refusal *refusal) {
    const double *keys = op->b, *values = op->c;
    uint32_t n = op->n_b;
    double x = v[op->a[0]];
    if (x != x) {
        if (op->flags & FDM_LOOKUP_REFUSE_NULL) refuse(refusal, FDM_NULL, op->a[0]);
        v[op->dst] = values[n];
        return;
    }
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (keys[middle] < x) low = middle + 1;
        else high = middle;
    }
    if (low < n && keys[low] == x) {
        v[op->dst] = values[low];
        return;
    }
    if (op->flags & FDM_LOOKUP_REFUSE_UNKNOWN) refuse(refusal, FDM_UNKNOWN, op->a[0]);
    v[op->dst] = values[n + 1];
}

static void bin(const fdm_op *op, double *v) {
    const double *edges = op->b;
    double x = v[op->a[0]];
    uint32_t low = 0, high = op->n_b;
    while (low < high) { /* the number of edges <= x; past them all for NaN, which was refused */
        uint32_t middle = low + (high - low) / 2;
        if (!(edges[middle] > x)) low = middle + 1;
        else high = middle;
    }
    v[op->dst] = low;
}

static double function(uint16_t id, double x) {
    switch (id) {
    case FDM_FN_EXPIT: return fdm_expit(x);
    case FDM_FN_EXP2: return fdm_exp2(x);
    case FDM_FN_EXP: return fdm_exp(x);
    case FDM_FN_LOG: return fdm_log(x);
    case FDM_FN_LOG1P: return fdm_log1p(x);
    case FDM_FN_SQRT: return sqrt(x);
    default: return fabs(x);
    }
}

/* numpy.interp, operation by operation. */
static double interpolate(const double *xp, const double *fp, uint32_t n, double x) {
    if (x != x) return x;
    if (x > xp[n - 1]) return fp[n - 1];
    if (x < xp[0]) return fp[0];
    uint32_t low = 0, high = n; /* the last j with xp[j] <= x */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (xp[middle] <= x) low = middle;
        else high = middle;
    }
    if (low == n - 1 || xp[low] == x) return fp[low];
    double slope = (fp[low + 1] - fp[low]) / (xp[low + 1] - xp[low]);
    return slope * (x - xp[low]) + fp[low];
}

static double softmax2(double a, double b) {
    double largest = a > b ? a : b;
    double ea = fdm_exp(a - largest), eb = fdm_exp(b - largest);
    return eb / (ea + eb);
}

static double linear(const fdm_op *op, const double *v) {
    const double *coefficients = op->b;
    double acc = 0.0;
    for (uint32_t i = 0; i < op->n; i++) acc += coefficients[i] * v[op->a[i]];
    return acc + op->k;
}

static double linear_at_means(const fdm_op *op) {
    const double *coefficients = op->b, *means = op->c;
    double acc = 0.0;
    for (uint32_t i = 0; i < op->n; i++) acc += coefficients[i] * means[i];
    return acc + op->k;
}

/* Twice the same loop: the compiler makes vectors of the one without a list of slots. */
#define ELEMENTWISE(expression)                        \
    if (op->adjacent) {                                \
        const double *in = v + op->a[0];               \
        for (uint32_t i = 0; i < op->n; i++) {         \
            double x = in[i];                          \
            out[i] = (expression);                     \
        }                                              \
    } else {                                           \
        for (uint32_t i = 0; i < op->n; i++) {         \
            double x = v[op->a[i]];                    \
            out[i] = (expression);                     \
        }                                              \
    }                                                  \
    break

static void run_one(const fdm_op *op, double *v, fdm_refusal *refusal) {
    double *out = v + op->dst;
    const double *b = op->b, *c = op->c;
    switch (op->code) {
    case FDM_CHECK: check(op, v, refusal); break;
    case FDM_ADD: ELEMENTWISE(x + b[i]);
    case FDM_SUB: ELEMENTWISE(x - b[i]);
    case FDM_MUL: ELEMENTWISE(x * b[i]);
    case FDM_DIV: ELEMENTWISE(x / b[i]);
    case FDM_RSUB: ELEMENTWISE(b[i] - x);
    case FDM_CLIP: ELEMENTWISE(x < b[i] ? b[i] : x > c[i] ? c[i] : x);
    case FDM_FILL: ELEMENTWISE(is_missing(x, b[i]) ? c[i] : x);
    case FDM_MISSING: ELEMENTWISE(is_missing(x, b[i]) ? 1.0 : 0.0);
    case FDM_FUNCTION: ELEMENTWISE(function(op->flags, x));
    case FDM_LOOKUP: lookup(op, v, refusal); break;
    case FDM_ONEHOT: {
        double x = v[op->a[0]];
        memset(out, 0, op->n * sizeof *out);
        if (x >= 0 && x < op->n) out[(uint32_t)x] = 1.0;
        break;
    }
    case FDM_BIN: bin(op, v); break;
    case FDM_PRODUCT: {
        const uint32_t *right = op->b;
        for (uint32_t i = 0; i < op->n; i++) out[i] = v[op->a[i]] * v[right[i]];
        break;
    }
    case FDM_CONST: memcpy(out, b, op->n * sizeof *out); break;
    case FDM_LINEAR: *out = linear(op, v); break;
    case FDM_SUM: {
        double acc = 0.0;
        for (uint32_t i = 0; i < op->n; i++) acc += v[op->a[i]];
        *out = acc;
        break;
    }
    case FDM_INTERP: *out = interpolate(b, c, op->n_b, v[op->a[0]]); break;
    case FDM_SOFTMAX2: *out = softmax2(v[op->a[0]], v[op->a[1]]); break;
    default: break;
    }
}

size_t fdm_scratch_size(const fdm_model *m, size_t rows) {
    return rows * (m->max_columns + 1) * sizeof(double);
}

static void run_trees(const fdm_op *op, double *slots, size_t n_slots, size_t rows,
                      double *scratch) {
    size_t stride = ((size_t)op->n + 1) * sizeof(double);
    double sums[FDM_BLOCK];
    for (size_t r = 0; r < rows; r++)
        fdm_trees_gather(op, slots + r * n_slots, (char *)scratch + r * stride);
    fdm_trees_rows(op, scratch, stride, rows, sums);
    for (size_t r = 0; r < rows; r++) slots[r * n_slots + op->dst] = sums[r];
}

static void refuse_nan(const fdm_model *m, const double *slots, fdm_refusal *refusal) {
    if (slots[m->score] != slots[m->score]) refuse(refusal, FDM_NOT_A_NUMBER, m->score);
}

void fdm_run(const fdm_model *m, double *slots, size_t rows, double *scratch,
             fdm_refusal *refusals) {
    size_t n_slots = m->n_slots;
    for (size_t r = 0; r < rows; r++) refusals[r].why = FDM_OK;
    for (uint32_t i = 0; i < m->n_ops; i++) {
        const fdm_op *op = m->ops + i;
        if (op->code == FDM_TREES8 || op->code == FDM_TREES16) {
            run_trees(op, slots, n_slots, rows, scratch);
        } else {
            for (size_t r = 0; r < rows; r++) run_one(op, slots + r * n_slots, refusals + r);
        }
    }
    for (size_t r = 0; r < rows; r++) refuse_nan(m, slots + r * n_slots, refusals + r);
}

void fdm_run_reference(const fdm_model *m, double *slots, double *scratch, fdm_refusal *refusal) {
    refusal->why = FDM_OK;
    for (uint32_t i = 0; i < m->n_ops; i++) {
        const fdm_op *op = m->ops + i;
        if (op->code == FDM_TREES8 || op->code == FDM_TREES16)
            run_trees(op, slots, m->n_slots, 1, scratch);
        else if (op->code == FDM_LINEAR && op->c)
            slots[op->dst] = linear_at_means(op);
        else
            run_one(op, slots, refusal);
    }
    refuse_nan(m, slots, refusal);
}
