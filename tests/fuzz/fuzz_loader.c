/* Opens, scores and explains whatever bytes it is given; run under AddressSanitizer and UBSan.
 *
 * With libFuzzer only LLVMFuzzerTestOneInput is used. Without it (FUZZ_MAIN) a main of its own
 * mutates a corpus with some knowledge of the format, as most random changes to a file would only
 * ever reach the first check. Every execution depends on seed and number alone, so
 * `fuzz_loader CORPUS SEED N 1 OUT` writes the input of execution N and runs just that.
 */
#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdm.h"

#define MOST_BYTES (1 << 17)

static const double VALUES[] = {0.0,  1.0,       -1.0,  0.5,  NAN,      INFINITY, -INFINITY,
                                1e39, -1.7e308,  5e-324, 7.0, 1e-40,    255.0,    256.0, 3.25};
#define N_VALUES (sizeof VALUES / sizeof *VALUES)

static void use(const fdm_model *m) {
    enum { ROWS = 9 };
    double *slots = malloc(ROWS * (size_t)m->n_slots * sizeof *slots);
    double *scratch = malloc(fdm_scratch_size(m, ROWS));
    double *phi = malloc(m->n_inputs * sizeof *phi);
    fdm_refusal refusals[ROWS];
    double alone[ROWS];
    if (!slots || !scratch || !phi) abort();
    for (size_t rows = 1; rows <= ROWS; rows += ROWS - 1) {
        for (size_t r = 0; r < rows; r++)
            for (uint32_t i = 0; i < m->n_inputs; i++)
                slots[r * m->n_slots + i] = VALUES[(r * 7 + i * 3 + r * i) % N_VALUES];
        fdm_run(m, slots, rows, scratch, refusals);
        for (size_t r = 0; r < rows; r++) {
            double score = slots[r * m->n_slots + m->score];
            if (rows == 1) alone[0] = score;
            else if (r == 0 && memcmp(&alone[0], &score, sizeof score) && score == score) abort();
            if (refusals[r].why && refusals[r].slot >= m->n_slots) abort();
            if (m->reference && fdm_explain(m, slots + r * m->n_slots, phi) < 0) abort();
        }
    }
    free(slots);
    free(scratch);
    free(phi);
}

static int opened;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1); /* so that one byte too far is seen */
    fdm_model m;
    if (!exact) abort();
    memcpy(exact, data, size);
    opened = fdm_open(&m, exact, size) == NULL;
    if (opened) {
        use(&m);
        fdm_close(&m);
    }
    free(exact);
    return 0;
}

#ifdef FUZZ_MAIN

typedef struct {
    uint8_t *data;
    size_t size;
} file;

static uint64_t state;

static uint64_t next(void) { /* splitmix64 */
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(size_t n) { return n ? next() % n : 0; }

static file read_file(const char *path) {
    file f = {malloc(MOST_BYTES), 0};
    FILE *in = fopen(path, "rb");
    if (!in || !f.data) exit(2);
    f.size = fread(f.data, 1, MOST_BYTES, in);
    fclose(in);
    return f;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static size_t read_corpus(const char *directory, file *files, size_t most) {
    char *names[1024];
    size_t n = 0;
    DIR *d = opendir(directory);
    if (!d) exit(2);
    for (struct dirent *e; (e = readdir(d)) && n < 1024;)
        if (e->d_name[0] != '.') names[n++] = strdup(e->d_name);
    closedir(d);
    qsort(names, n, sizeof *names, by_name);
    size_t count = 0;
    for (size_t i = 0; i < n && count < most; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        files[count++] = read_file(path);
        free(names[i]);
    }
    return count;
}

/* Where to change something: half of the time in the headers, table and program, else anywhere. */
static size_t place(const uint8_t *data, size_t size, size_t align) {
    uint32_t sections;
    memcpy(&sections, data + 24, sizeof sections);
    size_t table = FDM_FIXED_HEADER + 24 * (size_t)(sections % 4096);
    size_t at;
    if (next() % 2 && table < size) {
        uint64_t offset, count, entry = FDM_FIXED_HEADER + 24 * below(sections % 4096);
        if (next() % 3 == 0) entry = FDM_FIXED_HEADER + 24 * FDM_SEC_PROGRAM;
        if (entry + 24 > size) return 0;
        memcpy(&offset, data + entry + 8, 8);
        memcpy(&count, data + entry + 16, 8);
        at = next() % 4 == 0 ? below(table) : (size_t)(offset + below((size_t)(count % 4096) * 8 + 8));
    } else {
        at = below(size);
    }
    at -= at % align;
    return at + align <= size ? at : 0;
}

static void mutate(uint8_t *data, size_t *size, const file *other) {
    static const uint32_t WORDS[] = {0, 1, 2, 3, 7, 8, 9, 31, 32, 63, 64, 255, 256, 257, 2047, 2048,
                                     65535, 0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    static const double DOUBLES[] = {0.0, -0.0, 1.0, -1.0, NAN, INFINITY, -INFINITY, 1e308, 5e-324, 0.5, 256.0, 1e9};
    switch (next() % 9) {
    case 0: data[place(data, *size, 1)] ^= (uint8_t)(1u << (next() % 8)); break;
    case 1: data[place(data, *size, 1)] = (uint8_t)next(); break;
    case 2:
    case 3: {
        uint32_t word = WORDS[below(sizeof WORDS / sizeof *WORDS)];
        memcpy(data + place(data, *size, 4), &word, 4);
        break;
    }
    case 4: { /* a number a little larger or smaller */
        size_t at = place(data, *size, 4);
        uint32_t word;
        memcpy(&word, data + at, 4);
        word += (uint32_t)(next() % 9) - 4;
        memcpy(data + at, &word, 4);
        break;
    }
    case 5: memcpy(data + place(data, *size, 8), &DOUBLES[below(sizeof DOUBLES / sizeof *DOUBLES)], 8); break;
    case 6: { /* a word from somewhere else in the file */
        size_t from = place(data, *size, 4);
        memmove(data + place(data, *size, 4), data + from, 4);
        break;
    }
    case 7: { /* a piece of another file */
        size_t n = 1 + below(64), at = place(data, *size, 8);
        if (at + n <= *size && at + n <= other->size) memcpy(data + at, other->data + at, n);
        break;
    }
    default: /* shorter or longer */
        if (next() % 4) break;
        *size = next() % 2 ? FDM_FIXED_HEADER + below(*size) : *size + below(200);
        if (*size > MOST_BYTES) *size = MOST_BYTES;
    }
}

static size_t make(uint64_t seed, uint64_t number, const file *files, size_t n, uint8_t *data) {
    state = seed * 0x100000001b3u + number;
    const file *base = files + below(n);
    size_t size = base->size;
    memset(data, 0, MOST_BYTES);
    memcpy(data, base->data, size);
    for (size_t changes = 1 + below(4); changes; changes--) mutate(data, &size, files + below(n));
    if (next() % 16) { /* otherwise nearly every change of the size ends at the first check */
        uint64_t length = size;
        memcpy(data + 16, &length, 8);
    }
    return size;
}

int main(int argc, char **argv) {
    static file files[1024];
    static uint8_t data[MOST_BYTES];
    if (argc < 5) return 2;
    size_t n = read_corpus(argv[1], files, 1024);
    uint64_t seed = strtoull(argv[2], NULL, 10), first = strtoull(argv[3], NULL, 10),
             count = strtoull(argv[4], NULL, 10), accepted = 0;
    for (size_t i = 0; i < n; i++) LLVMFuzzerTestOneInput(files[i].data, files[i].size);
    for (uint64_t i = first; i < first + count; i++) {
        size_t size = make(seed, i, files, n, data);
        if (argc > 5) {
            FILE *out = fopen(argv[5], "wb");
            if (out) fwrite(data, 1, size, out), fclose(out);
        }
        LLVMFuzzerTestOneInput(data, size);
        accepted += (uint64_t)opened;
    }
    printf("%llu executions over %zu files, %llu of them opened\n", (unsigned long long)count, n,
           (unsigned long long)accepted);
    return 0;
}

#endif
