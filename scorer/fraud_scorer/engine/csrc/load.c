/* Opening a file means distrusting it: every offset, index, size and order that the other modules
 * rely on is checked here once, so that they need no checks at all. What is allocated is bounded by
 * the size of the file and by the constants of fdm.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fdm.h"

typedef struct {
    uint32_t type;
    uint64_t count;
    const void *data;
} section;

typedef struct {
    fdm_model *m;
    section *sections;
    uint32_t n_sections;
    uint32_t slots; /* written so far */
    uint64_t work;
    uint32_t deepest;
} loader;

#define TRY(expression)                     \
    do {                                    \
        const char *wrong_ = (expression);  \
        if (wrong_) return wrong_;          \
    } while (0)
#define REQUIRE(condition, text)        \
    do {                                \
        if (!(condition)) return text;  \
    } while (0)

static const uint8_t MAGIC[8] = {0x89, 'F', 'D', 'M', '\r', '\n', 0x1a, '\n'};

static uint32_t read_u32(const uint8_t *p) {
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static uint64_t read_u64(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static size_t element_size(uint32_t type) {
    switch (type) {
    case FDM_F64: return sizeof(double);
    case FDM_U32: return sizeof(uint32_t);
    case FDM_NODE8: return sizeof(fdm_node8);
    case FDM_NODE16: return sizeof(fdm_node16);
    case FDM_OP: return sizeof(fdm_op_record);
    default: return 0;
    }
}

/* ---- the table of sections ---- */

static const char *load_sections(loader *l, const uint8_t *data, size_t size) {
    fdm_model *m = l->m;
    REQUIRE(size >= FDM_FIXED_HEADER, "shorter than its fixed header");
    REQUIRE(memcmp(data, MAGIC, sizeof MAGIC) == 0, "no .fdm: the magic number is missing");
    REQUIRE(read_u32(data + 8) == FDM_VERSION, "a format version that this engine does not know");
    REQUIRE(((uintptr_t)data & 7) == 0, "the bytes lie at an unaligned address");
    REQUIRE(read_u64(data + 16) == size, "truncated, or followed by other bytes: its length is wrong");
    REQUIRE(read_u32(data + 28) == 0, "a reserved field of the header is not zero");
    uint64_t header_size = read_u32(data + 12);
    l->n_sections = read_u32(data + 24);
    REQUIRE(l->n_sections > FDM_SEC_REFERENCE && l->n_sections <= FDM_MAX_SECTIONS,
            "an impossible number of sections");
    uint64_t end = FDM_FIXED_HEADER + 24ull * l->n_sections + header_size;
    REQUIRE(end <= size, "the table of sections or the header reaches past the end");
    m->header = (const char *)data + FDM_FIXED_HEADER + 24ull * l->n_sections;
    m->header_size = header_size;
    l->sections = calloc(l->n_sections, sizeof *l->sections);
    REQUIRE(l->sections, "out of memory");
    for (uint32_t i = 0; i < l->n_sections; i++) {
        const uint8_t *entry = data + FDM_FIXED_HEADER + 24ull * i;
        uint32_t type = read_u32(entry);
        uint64_t offset = read_u64(entry + 8), count = read_u64(entry + 16);
        size_t each = element_size(type);
        REQUIRE(each, "a section of an unknown type");
        REQUIRE(read_u32(entry + 4) == 0, "a reserved field of a section is not zero");
        REQUIRE(offset % FDM_ALIGN == 0, "a section that is not aligned");
        REQUIRE(offset >= end && offset <= size, "a section that overlaps another or lies outside");
        REQUIRE(count <= (size - offset) / each, "a section that reaches past the end of the file");
        end = offset + count * each;
        l->sections[i] = (section){type, count, data + offset};
    }
    return NULL;
}

static const char *fixed_section(const loader *l, uint32_t index, uint32_t type, uint64_t count) {
    REQUIRE(l->sections[index].type == type && l->sections[index].count == count,
            "one of the first four sections has a wrong type or length");
    return NULL;
}

static const char *load_meta(loader *l) {
    fdm_model *m = l->m;
    TRY(fixed_section(l, FDM_SEC_META, FDM_U32, FDM_META_COUNT));
    const uint32_t *meta = l->sections[FDM_SEC_META].data;
    m->n_inputs = meta[FDM_META_INPUTS];
    m->n_slots = meta[FDM_META_SLOTS];
    m->score = meta[FDM_META_SCORE];
    m->explained = meta[FDM_META_EXPLAINED];
    REQUIRE(m->n_inputs >= 1 && m->n_inputs <= FDM_MAX_INPUTS, "an impossible number of inputs");
    REQUIRE(m->n_slots >= m->n_inputs && m->n_slots <= FDM_MAX_SLOTS,
            "an impossible number of slots");
    REQUIRE(m->score < m->n_slots && m->explained < m->n_slots, "the score is no slot");
    uint64_t n_ops = l->sections[FDM_SEC_PROGRAM].count;
    REQUIRE(n_ops >= 1 && n_ops <= FDM_MAX_OPS, "an impossible number of operations");
    m->n_ops = (uint32_t)n_ops;
    TRY(fixed_section(l, FDM_SEC_PROGRAM, FDM_OP, n_ops));
    TRY(fixed_section(l, FDM_SEC_OWNER, FDM_U32, m->n_slots));
    m->owner = l->sections[FDM_SEC_OWNER].data;
    for (uint32_t i = 0; i < m->n_slots; i++)
        REQUIRE(m->owner[i] < m->n_inputs || m->owner[i] == FDM_NONE,
                "a slot owned by an input that is not there");
    return NULL;
}

/* ---- operands ---- */

static const char *take(const loader *l, uint32_t index, uint32_t type, const section **out) {
    REQUIRE(index < l->n_sections, "an operation names a section that is not there");
    REQUIRE(l->sections[index].type == type, "an operation names a section of another type");
    *out = l->sections + index;
    return NULL;
}

static const char *take_slots(loader *l, uint32_t index, uint64_t count, const uint32_t **out) {
    const section *s = NULL;
    TRY(take(l, index, FDM_U32, &s));
    REQUIRE(s->count == count, "a list of slots has a wrong length");
    const uint32_t *slots = s->data;
    for (uint64_t i = 0; i < count; i++)
        REQUIRE(slots[i] < l->slots, "an operation reads a slot that is not written yet");
    *out = slots;
    l->work += count;
    return NULL;
}

enum { ANY_NUMBER = 0, NO_NAN = 1, INCREASING = 2 };

static const char *take_numbers(loader *l, uint32_t index, uint64_t count, int rule,
                                const double **out) {
    const section *s = NULL;
    TRY(take(l, index, FDM_F64, &s));
    REQUIRE(s->count == count, "an operation's list of numbers has a wrong length");
    const double *x = s->data;
    for (uint64_t i = 0; i < count && rule != ANY_NUMBER; i++) {
        REQUIRE(x[i] == x[i], "an operation's numbers hold NaN");
        REQUIRE(rule != INCREASING || i == 0 || x[i - 1] < x[i], "a table that is not in order");
    }
    *out = x;
    l->work += count;
    return NULL;
}

static uint64_t length(const loader *l, uint32_t index) {
    return index < l->n_sections ? l->sections[index].count : 0;
}

/* ---- trees ---- */

typedef struct { /* a node of either width */
    uint64_t delta;
    uint32_t feature;
    const char *wrong;
} node_view;

static node_view view8(const fdm_op *op, uint64_t i) {
    const fdm_node8 *p = (const fdm_node8 *)op->b + i;
    node_view v = {p->link >> FDM_FEATURE_BITS, p->link & FDM_FEATURE_MASK, NULL};
    if (v.delta == 0) {
        uint32_t leaf;
        memcpy(&leaf, &p->threshold, sizeof leaf);
        /* above 0x7f800000 the bits would be a NaN, which is not <= and would leave the leaf */
        if (leaf >= op->n_c || leaf >= 0x7f800000u) v.wrong = "a leaf's value is out of range";
    } else if (p->threshold != p->threshold) {
        v.wrong = "a threshold is NaN";
    }
    return v;
}

static node_view view16(const fdm_op *op, uint64_t i) {
    const fdm_node16 *p = (const fdm_node16 *)op->b + i;
    node_view v = {p->delta, p->feature, NULL};
    if (p->threshold != p->threshold) v.wrong = "a threshold or a leaf is NaN";
    if (p->delta && (p->feature & FDM_CATEGORY)) {
        double sets = op->n_c / FDM_SET_WORDS;
        v.feature &= ~FDM_CATEGORY;
        if (!(p->threshold >= 0 && p->threshold < sets && floor(p->threshold) == p->threshold))
            v.wrong = "a category set is out of range";
        else if (v.feature == 0 || v.feature > op->n || !(op->a[v.feature - 1] & FDM_COL_CATEGORY))
            v.wrong = "a category set on a column that is none";
    }
    return v;
}

/* level[i] is the depth of a node, 0 as long as none leads to it: each may be reached once. */
static const char *load_tree(loader *l, const fdm_op *op, uint64_t first, uint64_t end,
                             uint16_t *level) {
    memset(level, 0, (size_t)(end - first) * sizeof *level);
    level[0] = 1;
    for (uint64_t i = first; i < end; i++) {
        node_view v = op->code == FDM_TREES8 ? view8(op, i) : view16(op, i);
        REQUIRE(!v.wrong, v.wrong);
        if (v.delta == 0) {
            REQUIRE(v.feature == 0, "a leaf that reads a feature");
            continue;
        }
        REQUIRE(v.feature >= 1 && v.feature <= op->n, "a split on a feature that is not there");
        uint64_t left = i + v.delta;
        REQUIRE(left + 1 < end, "a child outside of its tree");
        uint16_t *child = level + (left - first);
        REQUIRE(child[0] == 0 && child[1] == 0, "a node with two parents");
        if (level[i - first]) {
            child[0] = child[1] = (uint16_t)(level[i - first] + 1);
            REQUIRE(child[0] <= FDM_MAX_DEPTH, "a tree that is too deep");
            if (child[0] > l->deepest) l->deepest = child[0];
        }
    }
    return NULL;
}

static const char *load_trees(loader *l, fdm_op *op, const uint32_t *ids) {
    int narrow = op->code == FDM_TREES8;
    const section *columns = NULL, *nodes = NULL, *roots = NULL;
    TRY(take(l, ids[0], FDM_U32, &columns));
    REQUIRE(columns->count == op->n && (!narrow || op->n < FDM_FEATURE_MASK),
            "a tree operation has a wrong number of columns");
    op->a = columns->data;
    for (uint32_t i = 0; i < op->n; i++) {
        REQUIRE((op->a[i] & FDM_COL_SLOT) < l->slots, "a tree reads a slot that is not written yet");
        REQUIRE(!narrow || !(op->a[i] & FDM_COL_CATEGORY), "narrow nodes know no categories");
    }
    TRY(take(l, ids[1], narrow ? FDM_NODE8 : FDM_NODE16, &nodes));
    op->b = nodes->data;
    if (narrow) {
        const double *values = NULL;
        REQUIRE(length(l, ids[2]) <= UINT32_MAX, "too many leaves");
        TRY(take_numbers(l, ids[2], length(l, ids[2]), NO_NAN, &values));
        op->c = values;
        op->n_c = (uint32_t)length(l, ids[2]);
    } else if (ids[2] != FDM_NONE) {
        const section *sets = NULL;
        TRY(take(l, ids[2], FDM_U32, &sets));
        REQUIRE(sets->count % FDM_SET_WORDS == 0 && sets->count <= UINT32_MAX,
                "category sets of a wrong length");
        op->c = sets->data;
        op->n_c = (uint32_t)sets->count;
    }
    TRY(take(l, ids[3], FDM_U32, &roots));
    REQUIRE(roots->count >= 2 && roots->count <= UINT32_MAX, "an operation without trees");
    op->d = roots->data;
    op->trees = (uint32_t)roots->count - 1;
    uint64_t largest = 0;
    for (uint32_t t = 0; t < op->trees; t++) {
        REQUIRE(op->d[t] < op->d[t + 1], "trees that are not in order");
        if (op->d[t + 1] - op->d[t] > largest) largest = op->d[t + 1] - op->d[t];
    }
    REQUIRE(op->d[op->trees] <= nodes->count, "a tree that reaches past its nodes");
    l->work += op->n + op->trees + nodes->count;
    REQUIRE(l->work <= FDM_MAX_WORK, "more work for a row than the engine takes on");
    uint16_t *level = malloc((size_t)largest * sizeof *level);
    REQUIRE(level, "out of memory");
    const char *wrong = NULL;
    for (uint32_t t = 0; t < op->trees && !wrong; t++)
        wrong = load_tree(l, op, op->d[t], op->d[t + 1], level);
    free(level);
    return wrong;
}

/* ---- operations ---- */

static const char *load_operands(loader *l, fdm_op *op, const uint32_t *ids) {
    const double *b = NULL, *c = NULL;
    const uint32_t *right = NULL;
    uint32_t n = op->n;
    uint64_t k = length(l, ids[1]);
    if (op->code == FDM_TREES8 || op->code == FDM_TREES16) return load_trees(l, op, ids);
    switch (op->code) {
    case FDM_CHECK:
    case FDM_SUM:
        return take_slots(l, ids[0], n, &op->a);
    case FDM_FUNCTION:
        REQUIRE(op->flags >= 1 && op->flags <= FDM_FN_LAST, "an unknown function");
        return take_slots(l, ids[0], n, &op->a);
    case FDM_ADD:
    case FDM_SUB:
    case FDM_MUL:
    case FDM_DIV:
    case FDM_RSUB:
        TRY(take_slots(l, ids[0], n, &op->a));
        TRY(take_numbers(l, ids[1], n, NO_NAN, &b));
        break;
    case FDM_CLIP:
        TRY(take_slots(l, ids[0], n, &op->a));
        TRY(take_numbers(l, ids[1], n, NO_NAN, &b));
        TRY(take_numbers(l, ids[2], n, NO_NAN, &c));
        break;
    case FDM_FILL:
        TRY(take_slots(l, ids[0], n, &op->a));
        TRY(take_numbers(l, ids[1], n, ANY_NUMBER, &b));
        TRY(take_numbers(l, ids[2], n, ANY_NUMBER, &c));
        break;
    case FDM_MISSING:
        TRY(take_slots(l, ids[0], n, &op->a));
        TRY(take_numbers(l, ids[1], n, ANY_NUMBER, &b));
        break;
    case FDM_LOOKUP:
        REQUIRE(n == 1, "a table for more than one column");
        TRY(take_slots(l, ids[0], 1, &op->a));
        TRY(take_numbers(l, ids[1], k, INCREASING, &b));
        TRY(take_numbers(l, ids[2], k + 2, ANY_NUMBER, &c));
        break;
    case FDM_ONEHOT:
        TRY(take_slots(l, ids[0], 1, &op->a));
        break;
    case FDM_BIN:
        REQUIRE(n == 1, "bins for more than one column");
        TRY(take_slots(l, ids[0], 1, &op->a));
        TRY(take_numbers(l, ids[1], k, INCREASING, &b));
        break;
    case FDM_PRODUCT:
        TRY(take_slots(l, ids[0], n, &op->a));
        TRY(take_slots(l, ids[1], n, &right));
        op->b = right;
        return NULL;
    case FDM_CONST:
        TRY(take_numbers(l, ids[1], n, NO_NAN, &b));
        break;
    case FDM_LINEAR:
        TRY(take_slots(l, ids[0], n, &op->a));
        TRY(take_numbers(l, ids[1], n, NO_NAN, &b));
        if (ids[2] != FDM_NONE) TRY(take_numbers(l, ids[2], n, NO_NAN, &c));
        break;
    case FDM_INTERP:
        REQUIRE(n == 1 && k >= 1, "an interpolation without points");
        TRY(take_slots(l, ids[0], 1, &op->a));
        TRY(take_numbers(l, ids[1], k, INCREASING, &b));
        TRY(take_numbers(l, ids[2], k, NO_NAN, &c));
        break;
    case FDM_SOFTMAX2:
        REQUIRE(n == 1, "a softmax of more than two");
        TRY(take_slots(l, ids[0], 2, &op->a));
        break;
    default:
        return "an unknown operation";
    }
    REQUIRE(k <= UINT32_MAX, "a table that is too long");
    op->b = b;
    op->c = c;
    op->n_b = (uint32_t)k;
    op->n_c = (uint32_t)length(l, ids[2]);
    return NULL;
}

static int adjacent(const fdm_op *op) {
    if (!op->a || op->n == 0 || op->code == FDM_ONEHOT) return 0;
    for (uint32_t i = 1; i < op->n; i++)
        if (op->a[i] != op->a[0] + i) return 0;
    return 1;
}

static const char *load_ops(loader *l) {
    fdm_model *m = l->m;
    const fdm_op_record *records = l->sections[FDM_SEC_PROGRAM].data;
    m->ops = calloc(m->n_ops, sizeof *m->ops);
    REQUIRE(m->ops, "out of memory");
    l->slots = m->n_inputs;
    for (uint32_t i = 0; i < m->n_ops; i++) {
        const fdm_op_record *r = records + i;
        fdm_op *op = m->ops + i;
        *op = (fdm_op){.code = r->code, .flags = r->flags, .n = r->n, .dst = r->dst, .k = r->k};
        REQUIRE(op->n <= FDM_MAX_SLOTS, "an operation on too many columns");
        REQUIRE(op->k == op->k, "an operation's constant is NaN");
        TRY(load_operands(l, op, r->section));
        op->adjacent = adjacent(op);
        l->work += op->n;
        REQUIRE(l->work <= FDM_MAX_WORK, "more work for a row than the engine takes on");
        uint32_t outputs = fdm_outputs(op->code, op->n);
        REQUIRE(op->dst == l->slots, "an operation that does not write the next slots");
        REQUIRE(outputs <= m->n_slots - l->slots, "an operation that writes too many slots");
        l->slots += outputs;
        if ((op->code == FDM_TREES8 || op->code == FDM_TREES16) && op->n > m->max_columns)
            m->max_columns = op->n;
    }
    REQUIRE(l->slots == m->n_slots, "slots that nothing writes");
    return NULL;
}

/* ---- reasons ---- */

static int passes_back(uint16_t code) {
    switch (code) {
    case FDM_ADD:
    case FDM_SUB:
    case FDM_MUL:
    case FDM_DIV:
    case FDM_RSUB:
    case FDM_CLIP:
    case FDM_FUNCTION:
    case FDM_INTERP:
    case FDM_SOFTMAX2:
    case FDM_SUM: return 1;
    default: return 0;
    }
}

/* Walks back from the explained slot: every way must end in a linear or tree operation whose
 * columns each belong to one input, through operations that can hand a weight on. */
static const char *check_explainable(const fdm_model *m, uint8_t *wanted) {
    wanted[m->explained] = 1;
    for (uint32_t i = m->n_ops; i-- > 0;) {
        const fdm_op *op = m->ops + i;
        uint32_t outputs = fdm_outputs(op->code, op->n);
        int any = 0;
        for (uint32_t o = 0; o < outputs; o++) any |= wanted[op->dst + o];
        if (!any || op->code == FDM_CONST) continue;
        if (op->code == FDM_LINEAR || op->code == FDM_TREES8 || op->code == FDM_TREES16) {
            REQUIRE(op->code != FDM_LINEAR || op->c, "a linear operation without its means");
            for (uint32_t c = 0; c < op->n; c++)
                REQUIRE(m->owner[op->a[c] & (op->code == FDM_LINEAR ? ~0u : FDM_COL_SLOT)] != FDM_NONE,
                        "reasons for a column that belongs to no single input");
            continue;
        }
        REQUIRE(passes_back(op->code), "reasons through an operation that cannot pass them on");
        uint32_t sources = op->code == FDM_SOFTMAX2 ? 2 : op->n;
        for (uint32_t s = 0; s < sources; s++) {
            REQUIRE(op->a[s] >= m->n_inputs, "reasons that end in an input itself");
            wanted[op->a[s]] = 1;
        }
    }
    return NULL;
}

static const char *load_reference(loader *l) {
    fdm_model *m = l->m;
    const section *s = l->sections + FDM_SEC_REFERENCE;
    REQUIRE(s->type == FDM_F64, "one of the first four sections has a wrong type or length");
    if (s->count == 0) return NULL;
    REQUIRE(s->count == m->n_inputs, "one of the first four sections has a wrong type or length");
    uint8_t *wanted = calloc(m->n_slots, 1);
    REQUIRE(wanted, "out of memory");
    const char *wrong = check_explainable(m, wanted);
    free(wanted);
    TRY(wrong);
    m->max_players = l->deepest < m->n_inputs ? l->deepest : m->n_inputs;
    size_t side = (size_t)m->max_players + 1;
    m->weights = calloc(side * side, sizeof *m->weights);
    m->reference = calloc(m->n_slots, sizeof *m->reference);
    double *scratch = malloc(fdm_scratch_size(m, 1));
    if (!m->weights || !m->reference || !scratch) {
        free(scratch);
        return "out of memory";
    }
    for (size_t a = 1; a < side; a++) {
        double w = 1.0 / (double)a; /* (a-1)! 0! / a! */
        for (size_t b = 0; a + b < side; b++) {
            m->weights[a * side + b] = w;
            w = w * (double)(b + 1) / (double)(a + b + 1);
        }
    }
    memcpy(m->reference, s->data, m->n_inputs * sizeof(double));
    fdm_refusal refusal;
    fdm_run_reference(m, m->reference, scratch, &refusal);
    free(scratch);
    REQUIRE(refusal.why == FDM_OK, "the model refuses its own reference row");
    return NULL;
}

static const char *open_checked(loader *l, const void *data, size_t size) {
    TRY(load_sections(l, data, size));
    TRY(load_meta(l));
    TRY(load_ops(l));
    return load_reference(l);
}

const char *fdm_open(fdm_model *m, const void *data, size_t size) {
    memset(m, 0, sizeof *m);
    m->data = data;
    m->size = size;
    loader l = {.m = m};
    const char *wrong = open_checked(&l, data, size);
    free(l.sections);
    if (wrong) fdm_close(m);
    return wrong;
}

void fdm_close(fdm_model *m) {
    free(m->ops);
    free(m->reference);
    free(m->weights);
    memset(m, 0, sizeof *m);
}
