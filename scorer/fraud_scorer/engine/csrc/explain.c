/* Shapley values of the inputs against one reference, on the arrays that score.
 *
 * Linear: coefficient x (value - mean). Trees: interventional SHAP against the reference row, in
 * one pass over the part of each tree that a mixture of the two rows can reach; the players are the
 * model's inputs, so the columns that one encoder made move together. What stands between these
 * and the explained value (calibration, averages) is passed backwards by its secant between row
 * and reference, so the contributions always add up to the difference of the two explained values.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fdm.h"
#include "mathfn.h"

typedef struct {
    const fdm_op *op;
    const void *row, *reference; /* gathered, as the walk reads them */
    const uint32_t *player;      /* by gathered column: the input it is made of */
    const double *weights;
    size_t weights_stride;
    double scale;
    double *phi;
} game;

static int right8(const fdm_node8 *p, const float *x) {
    return !(x[p->link & FDM_FEATURE_MASK] <= p->threshold);
}

static int right16(const fdm_node16 *p, const double *x, const uint32_t *sets) {
    if (p->feature & FDM_CATEGORY) {
        uint32_t code = (uint32_t)x[p->feature & ~FDM_CATEGORY];
        const uint32_t *set = sets + (size_t)p->threshold * FDM_SET_WORDS;
        return !((set[code >> 5] >> (code & 31)) & 1);
    }
    return !(x[p->feature] <= p->threshold);
}

static double value8(const game *g, const fdm_node8 *p) {
    uint32_t index;
    memcpy(&index, &p->threshold, sizeof index);
    return ((const double *)g->op->c)[index];
}

/* The part of a tree that mixtures of the two rows can reach. `side` says whose value a player shows
 * on this path, a and b how many show the row's and the reference's. Where the two part and the
 * split's player is open, both ways are taken. A leaf gives value (a-1)! b! / (a+b)! to each player
 * that shows the row, and takes value a! (b-1)! / (a+b)! from each that shows the reference: these
 * two, summed over the leaves below, come back, and each player settles where it was decided. */
enum { OPEN = 0, OF_ROW = 1, OF_REFERENCE = 2 };
typedef struct {
    double row, reference;
} share;

static share leaf_share(const game *g, double value, uint32_t a, uint32_t b) {
    share s = {value * g->weights[a * g->weights_stride + b],
               value * g->weights[b * g->weights_stride + a]};
    return s;
}

#define DESCEND(NAME, NODE, IS_LEAF, VALUE, DELTA, COLUMN, RIGHT_ROW, RIGHT_REFERENCE)           \
    static share NAME(const game *g, uint8_t *side, const NODE *p, uint32_t a, uint32_t b) {   \
        while (!(IS_LEAF)) {                                                                   \
            int row = RIGHT_ROW, reference = RIGHT_REFERENCE;                                  \
            const NODE *child = p + DELTA;                                                     \
            uint32_t player = g->player[COLUMN];                                               \
            if (row == reference || side[player] == OF_ROW) {                                  \
                p = child + row;                                                               \
            } else if (side[player] == OF_REFERENCE) {                                         \
                p = child + reference;                                                         \
            } else {                                                                           \
                side[player] = OF_ROW;                                                         \
                share mine = NAME(g, side, child + row, a + 1, b);                             \
                side[player] = OF_REFERENCE;                                                   \
                share other = NAME(g, side, child + reference, a, b + 1);                      \
                side[player] = OPEN;                                                           \
                g->phi[player] += g->scale * (mine.row - other.reference);                     \
                mine.row += other.row;                                                         \
                mine.reference += other.reference;                                             \
                return mine;                                                                   \
            }                                                                                  \
        }                                                                                      \
        return leaf_share(g, VALUE, a, b);                                                     \
    }

#define NARROW                                                                                 \
    fdm_node8, p->link >> FDM_FEATURE_BITS == 0, value8(g, p), (p->link >> FDM_FEATURE_BITS),  \
        (p->link & FDM_FEATURE_MASK), right8(p, g->row), right8(p, g->reference)
#define WIDE                                                                                   \
    fdm_node16, p->delta == 0, p->threshold, p->delta, (p->feature & ~FDM_CATEGORY),           \
        right16(p, g->row, g->op->c), right16(p, g->reference, g->op->c)
#define EXPAND(MACRO, ...) MACRO(__VA_ARGS__)

EXPAND(DESCEND, descend8, NARROW)
EXPAND(DESCEND, descend16, WIDE)

#define AHEAD 4 /* trees whose first lines are asked for while one is walked */

typedef struct {
    double *weight;          /* by slot: what a unit of it adds to the explained value */
    double *row, *reference; /* gathered */
    uint32_t *player;
    uint8_t *side;
} scratch;

static void explain_trees(const fdm_model *m, const fdm_op *op, const double *slots, double scale,
                          const scratch *s, double *phi) {
    fdm_trees_gather(op, slots, s->row);
    fdm_trees_gather(op, m->reference, s->reference);
    for (uint32_t i = 0; i < op->n; i++) s->player[i + 1] = m->owner[op->a[i] & FDM_COL_SLOT];
    game g = {op, s->row, s->reference, s->player, m->weights, (size_t)m->max_players + 1, scale, phi};
    for (uint32_t t = 0; t < op->trees; t++) {
        uint32_t soon = op->d[t + AHEAD < op->trees ? t + AHEAD : t];
        if (op->code == FDM_TREES8) {
            __builtin_prefetch((const fdm_node8 *)op->b + soon);
            descend8(&g, s->side, (const fdm_node8 *)op->b + op->d[t], 0, 0);
        } else {
            __builtin_prefetch((const fdm_node16 *)op->b + soon);
            descend16(&g, s->side, (const fdm_node16 *)op->b + op->d[t], 0, 0);
        }
    }
}

static void explain_linear(const fdm_model *m, const fdm_op *op, const double *slots, double scale,
                           double *phi) {
    const double *coefficients = op->b, *means = op->c;
    for (uint32_t i = 0; i < op->n; i++) {
        double change = coefficients[i] * (slots[op->a[i]] - means[i]);
        if (change != 0.0) phi[m->owner[op->a[i]]] += scale * change;
    }
}

/* (g(x) - g(r)) / (x - r), or the slope there where the two are too close to divide. */
static double secant(double x, double r, double gx, double gr, double slope) {
    double change = x - r;
    if (fabs(change) <= 1e-7 * (1.0 + fabs(x))) return slope;
    return (gx - gr) / change;
}

static double slope_of(const fdm_op *op, double x, double y) {
    if (op->code == FDM_INTERP) {
        const double *xp = op->b, *fp = op->c;
        for (uint32_t i = 1; i < op->n_b; i++)
            if (x >= xp[i - 1] && x <= xp[i]) return (fp[i] - fp[i - 1]) / (xp[i] - xp[i - 1]);
        return 0.0;
    }
    if (op->code == FDM_CLIP)
        return x >= ((const double *)op->b)[0] && x <= ((const double *)op->c)[0] ? 1.0 : 0.0;
    switch (op->flags) {
    case FDM_FN_EXPIT: return y * (1.0 - y);
    case FDM_FN_EXP2: return y * 0.6931471805599453;
    case FDM_FN_EXP: return y;
    case FDM_FN_LOG: return x > 0 ? 1.0 / x : 0.0;
    default: return 0.0;
    }
}

/* Hands the weight of an operation's output on to what it read. */
static void pass_back(const fdm_model *m, const fdm_op *op, const double *v, double *weight) {
    const double *ref = m->reference;
    const double *b = op->b;
    for (uint32_t i = 0; i < op->n; i++) {
        uint32_t dst = op->code == FDM_SUM ? op->dst : op->dst + i, src = op->a[i];
        double w = weight[dst];
        switch (op->code) {
        case FDM_SUM:
        case FDM_ADD:
        case FDM_SUB: weight[src] += w; break;
        case FDM_RSUB: weight[src] -= w; break;
        case FDM_MUL: weight[src] += w * b[i]; break;
        case FDM_DIV: weight[src] += w / b[i]; break;
        default:
            weight[src] += w * secant(v[src], ref[src], v[dst], ref[dst], slope_of(op, v[src], v[dst]));
        }
    }
}

static void pass_back_softmax(const fdm_model *m, const fdm_op *op, const double *v,
                              double *weight) {
    const double *ref = m->reference;
    uint32_t i = op->a[0], j = op->a[1];
    double y = v[op->dst];
    double w = weight[op->dst] *
               secant(v[j] - v[i], ref[j] - ref[i], y, ref[op->dst], y * (1.0 - y));
    weight[i] -= w;
    weight[j] += w;
}

static void explain_back(const fdm_model *m, const double *slots, const scratch *s, double *phi) {
    s->weight[m->explained] = 1.0;
    for (uint32_t i = m->n_ops; i-- > 0;) {
        const fdm_op *op = m->ops + i;
        uint32_t outputs = fdm_outputs(op->code, op->n);
        int wanted = 0;
        for (uint32_t o = 0; o < outputs && !wanted; o++) wanted = s->weight[op->dst + o] != 0.0;
        if (!wanted) continue;
        switch (op->code) {
        case FDM_LINEAR: explain_linear(m, op, slots, s->weight[op->dst], phi); break;
        case FDM_TREES8:
        case FDM_TREES16: explain_trees(m, op, slots, s->weight[op->dst], s, phi); break;
        case FDM_SOFTMAX2: pass_back_softmax(m, op, slots, s->weight); break;
        case FDM_CONST: break;
        default: pass_back(m, op, slots, s->weight); break;
        }
    }
}

int fdm_explain(const fdm_model *m, const double *slots, double *phi) {
    size_t columns = (size_t)m->max_columns + 1;
    size_t doubles = m->n_slots + 2 * columns;
    size_t size = doubles * sizeof(double) + columns * sizeof(uint32_t) + m->n_inputs;
    double *memory = calloc(size, 1);
    if (!memory) return -1;
    scratch s;
    s.weight = memory;
    s.row = memory + m->n_slots;
    s.reference = s.row + columns;
    s.player = (uint32_t *)(memory + doubles);
    s.side = (uint8_t *)(s.player + columns);
    memset(phi, 0, m->n_inputs * sizeof *phi);
    explain_back(m, slots, &s, phi);
    free(memory);
    return 0;
}
