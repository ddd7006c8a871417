/* The transaction as the scorer takes it (docs/scorer.md), read in one pass into a row of numbers. */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#define MAX_NAMES 64
#define NAME_SLOTS 256 /* a power of two, several times MAX_NAMES */

typedef struct {
    const char *text;
    size_t size;
} slice;

typedef struct {
    slice name[MAX_NAMES];
    size_t count;
    uint8_t slot[NAME_SLOTS]; /* hash -> number of the name + 1 */
} name_table;

void names_add(name_table *names, const char *name);

/* NULL, or what is wrong. Every row of `names` is filled where nothing is. */
const char *read_envelope(const name_table *names, const char *body, size_t size, double *row);

#endif
