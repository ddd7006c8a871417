/* The walk. All its speed is in two things: a step has no branch, and several walks go on at the
 * same time (several trees for one row, several rows for one tree), because what a walk waits for
 * is memory. Leaves step to themselves, so walks of different lengths need no bookkeeping.
 *
 * Leaves are added in the order of the trees whatever the batch: that order is scikit-learn's, and
 * it is what makes the sum the same bits for one row and for many.
 */
#include <math.h>
#include <string.h>

#include "fdm.h"

#define LANES 8

void fdm_trees_gather(const fdm_op *op, const double *slots, void *row) {
    const uint32_t *columns = op->a;
    if (op->code == FDM_TREES8) {
        float *x = row;
        x[0] = -INFINITY;
        for (uint32_t i = 0; i < op->n; i++) {
            float v = (float)slots[columns[i] & FDM_COL_SLOT];
            x[i + 1] = (columns[i] & FDM_COL_NULL_LEFT) && v != v ? -INFINITY : v;
        }
        return;
    }
    double *x = row;
    x[0] = -INFINITY;
    for (uint32_t i = 0; i < op->n; i++) {
        double v = slots[columns[i] & FDM_COL_SLOT];
        if (op->flags & FDM_TREES_FLOAT32) v = (float)v;
        if (columns[i] & FDM_COL_CATEGORY)
            v = v >= 0 && v < FDM_SET_NULL ? v : FDM_SET_NULL;
        else if ((columns[i] & FDM_COL_NULL_LEFT) && v != v)
            v = -INFINITY;
        x[i + 1] = v;
    }
}

static uint32_t leaf8(const fdm_node8 *leaf) {
    uint32_t index;
    memcpy(&index, &leaf->threshold, sizeof index);
    return index;
}

/* One step of every lane, then the next while any lane moved. */
#define STEP8(i)                                                                     \
    do {                                                                             \
        uint32_t link = p##i->link;                                                  \
        moved |= link;                                                               \
        p##i += (link >> FDM_FEATURE_BITS) + !(ROW(i)[link & FDM_FEATURE_MASK] <= p##i->threshold); \
    } while (0)

/* LANES trees, one row. */
static void walk8_trees(const fdm_node8 *nodes, const uint32_t *roots, const float *x,
                        const double *values, double *leaves) {
    const fdm_node8 *p0 = nodes + roots[0], *p1 = nodes + roots[1], *p2 = nodes + roots[2],
                    *p3 = nodes + roots[3], *p4 = nodes + roots[4], *p5 = nodes + roots[5],
                    *p6 = nodes + roots[6], *p7 = nodes + roots[7];
    uint32_t moved;
#define ROW(i) x
    do {
        moved = 0;
        STEP8(0); STEP8(1); STEP8(2); STEP8(3);
        STEP8(4); STEP8(5); STEP8(6); STEP8(7);
    } while (moved >> FDM_FEATURE_BITS);
#undef ROW
    leaves[0] = values[leaf8(p0)]; leaves[1] = values[leaf8(p1)];
    leaves[2] = values[leaf8(p2)]; leaves[3] = values[leaf8(p3)];
    leaves[4] = values[leaf8(p4)]; leaves[5] = values[leaf8(p5)];
    leaves[6] = values[leaf8(p6)]; leaves[7] = values[leaf8(p7)];
}

/* One tree, LANES rows. */
static void walk8_rows(const fdm_node8 *root, const char *rows, size_t stride,
                       const double *values, double *acc) {
    const fdm_node8 *p0 = root, *p1 = root, *p2 = root, *p3 = root, *p4 = root, *p5 = root,
                    *p6 = root, *p7 = root;
    uint32_t moved;
#define ROW(i) ((const float *)(rows + (i) * stride))
    do {
        moved = 0;
        STEP8(0); STEP8(1); STEP8(2); STEP8(3);
        STEP8(4); STEP8(5); STEP8(6); STEP8(7);
    } while (moved >> FDM_FEATURE_BITS);
#undef ROW
    acc[0] += values[leaf8(p0)]; acc[1] += values[leaf8(p1)];
    acc[2] += values[leaf8(p2)]; acc[3] += values[leaf8(p3)];
    acc[4] += values[leaf8(p4)]; acc[5] += values[leaf8(p5)];
    acc[6] += values[leaf8(p6)]; acc[7] += values[leaf8(p7)];
}

static double walk8_one(const fdm_node8 *p, const float *x, const double *values) {
    uint32_t link;
    while ((link = p->link) >> FDM_FEATURE_BITS)
        p += (link >> FDM_FEATURE_BITS) + !(x[link & FDM_FEATURE_MASK] <= p->threshold);
    return values[leaf8(p)];
}

static void trees8_one_row(const fdm_op *op, const float *x, double *out) {
    const fdm_node8 *nodes = op->b;
    const double *values = op->c;
    const uint32_t *roots = op->d;
    double acc = op->k;
    uint32_t t = 0;
    for (; t + LANES <= op->trees; t += LANES) {
        double leaves[LANES];
        walk8_trees(nodes, roots + t, x, values, leaves);
        for (int i = 0; i < LANES; i++) acc += leaves[i];
    }
    for (; t < op->trees; t++) acc += walk8_one(nodes + roots[t], x, values);
    *out = acc;
}

static inline const fdm_node16 *step16(const fdm_node16 *p, const double *x) {
    return p + p->delta + !(x[p->feature] <= p->threshold);
}

/* With category sets: the only walk that has a branch in its step. */
static inline const fdm_node16 *step16_sets(const fdm_node16 *p, const double *x,
                                            const uint32_t *sets) {
    if (p->feature & FDM_CATEGORY) {
        uint32_t code = (uint32_t)x[p->feature & ~FDM_CATEGORY];
        const uint32_t *set = sets + (size_t)p->threshold * FDM_SET_WORDS;
        return p + p->delta + !((set[code >> 5] >> (code & 31)) & 1);
    }
    return step16(p, x);
}

#define LANES16 6

static void trees16_one_row(const fdm_op *op, const double *x, double *out) {
    const fdm_node16 *nodes = op->b;
    const uint32_t *sets = op->c, *roots = op->d;
    double acc = op->k;
    uint32_t t = 0;
    if (op->n_c == 0) {
        for (; t + LANES16 <= op->trees; t += LANES16) {
            const fdm_node16 *p0 = nodes + roots[t], *p1 = nodes + roots[t + 1],
                             *p2 = nodes + roots[t + 2], *p3 = nodes + roots[t + 3],
                             *p4 = nodes + roots[t + 4], *p5 = nodes + roots[t + 5];
            while (p0->delta | p1->delta | p2->delta | p3->delta | p4->delta | p5->delta) {
                p0 = step16(p0, x); p1 = step16(p1, x); p2 = step16(p2, x);
                p3 = step16(p3, x); p4 = step16(p4, x); p5 = step16(p5, x);
            }
            acc += p0->threshold; acc += p1->threshold; acc += p2->threshold;
            acc += p3->threshold; acc += p4->threshold; acc += p5->threshold;
        }
    }
    for (; t < op->trees; t++) {
        const fdm_node16 *p = nodes + roots[t];
        while (p->delta) p = step16_sets(p, x, sets);
        acc += p->threshold;
    }
    *out = acc;
}

void fdm_trees_rows(const fdm_op *op, const void *rows, size_t stride, size_t n, double *out) {
    const char *base = rows;
    if (op->code == FDM_TREES16 || n < LANES) {
        for (size_t r = 0; r < n; r++) {
            if (op->code == FDM_TREES8)
                trees8_one_row(op, (const float *)(base + r * stride), out + r);
            else
                trees16_one_row(op, (const double *)(base + r * stride), out + r);
        }
        return;
    }
    const fdm_node8 *nodes = op->b;
    const double *values = op->c;
    const uint32_t *roots = op->d;
    for (size_t r = 0; r < n; r++) out[r] = op->k;
    for (uint32_t t = 0; t < op->trees; t++) {
        size_t r = 0;
        for (; r + LANES <= n; r += LANES)
            walk8_rows(nodes + roots[t], base + r * stride, stride, values, out + r);
        for (; r < n; r++)
            out[r] += walk8_one(nodes + roots[t], (const float *)(base + r * stride), values);
    }
}
