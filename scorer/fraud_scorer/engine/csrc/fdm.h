/* What a flat model (.fdm) is in memory, and the four things that can be done with one:
 * open (validates every byte that is ever followed), score, trace, explain.
 *
 * Nothing here knows Python: the module is in module.c, the fuzzer drives these functions alone.
 * The file format is docs/fdm.md; the numbers below are part of it.
 */
#ifndef FDM_H
#define FDM_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a .fdm is little-endian and is used where it lies: big-endian machines are not supported"
#endif
#if FLT_EVAL_METHOD != 0
#error "the same bits on every machine need IEEE arithmetic without excess precision"
#endif

#define FDM_VERSION 1
#define FDM_FIXED_HEADER 64
#define FDM_ALIGN 64
#define FDM_MAX_INPUTS 65536u
#define FDM_MAX_SLOTS (1u << 20)
#define FDM_MAX_OPS (1u << 16)
#define FDM_MAX_SECTIONS (1u << 18)
#define FDM_MAX_DEPTH 1024u
/* Bound on the elements that scoring one row may touch; a file that asks for more is refused. */
#define FDM_MAX_WORK (1ull << 28)
#define FDM_NONE 0xffffffffu
/* Rows that are walked through the program together. */
#define FDM_BLOCK 32

enum fdm_section_type { FDM_F64 = 1, FDM_U32 = 2, FDM_NODE8 = 3, FDM_NODE16 = 4, FDM_OP = 5 };

/* Sections with a fixed place in the table. */
enum { FDM_SEC_META = 0, FDM_SEC_PROGRAM = 1, FDM_SEC_OWNER = 2, FDM_SEC_REFERENCE = 3 };
enum { FDM_META_INPUTS = 0, FDM_META_SLOTS, FDM_META_SCORE, FDM_META_EXPLAINED, FDM_META_COUNT };

enum fdm_code {
    FDM_CHECK = 1,
    FDM_ADD,
    FDM_SUB,
    FDM_MUL,
    FDM_DIV,
    FDM_RSUB,
    FDM_CLIP,
    FDM_FILL,
    FDM_MISSING,
    FDM_LOOKUP,
    FDM_ONEHOT,
    FDM_BIN,
    FDM_PRODUCT,
    FDM_CONST,
    FDM_LINEAR,
    FDM_TREES8,
    FDM_TREES16,
    FDM_SUM,
    FDM_FUNCTION,
    FDM_INTERP,
    FDM_SOFTMAX2,
    FDM_LAST_CODE = FDM_SOFTMAX2
};

enum { FDM_CHECK_NAN = 1, FDM_CHECK_INF = 2, FDM_CHECK_FLOAT32 = 4 };
enum { FDM_LOOKUP_REFUSE_UNKNOWN = 1, FDM_LOOKUP_REFUSE_NULL = 2 };
enum {
    FDM_FN_EXPIT = 1,
    FDM_FN_EXP2,
    FDM_FN_EXP,
    FDM_FN_LOG,
    FDM_FN_LOG1P,
    FDM_FN_SQRT,
    FDM_FN_ABS,
    FDM_FN_LAST = FDM_FN_ABS
};

enum { FDM_TREES_FLOAT32 = 1 }; /* wide nodes that compare what a float32 keeps of a value */

/* Flags of a column of a tree operation (the low 30 bits are the slot). */
#define FDM_COL_NULL_LEFT 0x80000000u /* a missing value goes to the left */
#define FDM_COL_CATEGORY 0x40000000u  /* the value is a category's code, 0..255, or missing */
#define FDM_COL_SLOT 0x3fffffffu

/* A split: go to node + delta when x[feature] <= threshold, else to node + delta + 1.
 * A leaf: delta 0 and feature 0 (x[0] is always -inf, so a leaf steps to itself); the bits of
 * its threshold are the index of its value. */
#define FDM_FEATURE_BITS 11
#define FDM_FEATURE_MASK ((1u << FDM_FEATURE_BITS) - 1)
typedef struct {
    float threshold;
    uint32_t link; /* delta << 11 | feature */
} fdm_node8;

/* The same, wide: double thresholds, category sets, any number of features. A leaf's threshold is
 * its value. With FDM_CATEGORY in feature, threshold is the number of a set of 9 words. */
#define FDM_CATEGORY 0x80000000u
#define FDM_SET_WORDS 9
#define FDM_SET_NULL 256
typedef struct {
    double threshold;
    uint32_t feature;
    uint32_t delta;
} fdm_node16;

typedef struct { /* as it lies in the file */
    uint16_t code, flags;
    uint32_t n, dst;
    uint32_t section[5];
    double k;
} fdm_op_record;

typedef struct { /* with sections looked up */
    uint16_t code, flags;
    uint32_t n, dst;
    uint32_t trees;
    uint32_t n_a, n_b, n_c;
    const uint32_t *a; /* slots read */
    int adjacent;      /* the slots read follow one another */
    const void *b, *c;
    const uint32_t *d;
    double k;
} fdm_op;

typedef struct {
    const uint8_t *data;
    size_t size;
    const char *header;
    size_t header_size;
    uint32_t n_inputs, n_slots, n_ops, score, explained;
    uint32_t max_columns; /* widest row that a tree operation gathers, the dummy included */
    uint32_t max_players; /* most players that can meet on one path, for the table of weights */
    fdm_op *ops;
    const uint32_t *owner; /* slot -> input that it is made of, or FDM_NONE */
    /* reasons; NULL where the file carries no reference row */
    double *reference;  /* every slot at the reference */
    double *weights;    /* [a][b] = (a-1)! b! / (a+b)!, (max_players + 1) squared */
} fdm_model;

typedef struct { /* why a row has no score */
    enum { FDM_OK = 0, FDM_NULL, FDM_INFINITE, FDM_UNKNOWN, FDM_NOT_A_NUMBER } why;
    uint32_t slot; /* where it showed */
} fdm_refusal;

/* NULL when the bytes are a model, else what is wrong with them (a constant text). The model
 * points into data, which must stay as it is until fdm_close. */
const char *fdm_open(fdm_model *m, const void *data, size_t size);
void fdm_close(fdm_model *m);

/* Bytes of scratch that fdm_run wants for a block of rows. */
size_t fdm_scratch_size(const fdm_model *m, size_t rows);

/* Runs the program over up to FDM_BLOCK rows whose inputs lie in slots[r * n_slots ..]. After it
 * every slot of every row that was not refused is filled; refusals[r].why tells. */
void fdm_run(const fdm_model *m, double *slots, size_t rows, double *scratch,
             fdm_refusal *refusals);

/* The same for the reference row, with linear operations at the means of their columns. */
void fdm_run_reference(const fdm_model *m, double *slots, double *scratch, fdm_refusal *refusal);

/* How many slots an operation writes. */
static inline uint32_t fdm_outputs(uint16_t code, uint32_t n) {
    switch (code) {
    case FDM_CHECK: return 0;
    case FDM_LINEAR:
    case FDM_TREES8:
    case FDM_TREES16:
    case FDM_SUM: return 1;
    default: return n;
    }
}

/* Contributions of the inputs to the explained value of a row that fdm_run has filled:
 * phi[n_inputs] is overwritten. 0, or -1 when memory is short. */
int fdm_explain(const fdm_model *m, const double *slots, double *phi);

/* trees.c */
/* Gathers what a tree operation reads of one row (floats for TREES8, doubles for TREES16). */
void fdm_trees_gather(const fdm_op *op, const double *slots, void *row);
/* Sum of base and leaves in the order of the trees, for n gathered rows, stride bytes apart. */
void fdm_trees_rows(const fdm_op *op, const void *rows, size_t stride, size_t n, double *out);

/* Puts rounding and denormals into the state that the arithmetic is written for. */
typedef struct {
    uint64_t saved;
} fdm_fpu;
fdm_fpu fdm_fpu_enter(void);
void fdm_fpu_leave(fdm_fpu state);

#endif
