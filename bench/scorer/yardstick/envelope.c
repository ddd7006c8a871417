/* A reader of exactly one kind of document. It refuses what the scorer refuses, in fewer words. */
#include "envelope.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *at, *end;
} text;

static const char *const NOT_JSON = "not JSON";

/* ---- names ---- */

static uint32_t hash(slice s) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s.size; i++) h = (h ^ (uint8_t)s.text[i]) * 16777619u;
    return h ^ h >> 15;
}

void names_add(name_table *names, const char *name) {
    slice s = {name, strlen(name)};
    uint32_t h = hash(s);
    while (names->slot[h & (NAME_SLOTS - 1)]) h++;
    names->name[names->count] = s;
    names->slot[h & (NAME_SLOTS - 1)] = (uint8_t)++names->count;
}

static int names_find(const name_table *names, slice s) {
    for (uint32_t h = hash(s);; h++) {
        int found = names->slot[h & (NAME_SLOTS - 1)] - 1;
        if (found < 0) return -1;
        slice known = names->name[found];
        if (known.size == s.size && !memcmp(known.text, s.text, s.size)) return found;
    }
}

/* ---- JSON ---- */

static void skip_space(text *t) {
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\r' || *t->at == '\t'))
        t->at++;
}

static int take(text *t, char wanted) {
    skip_space(t);
    if (t->at == t->end || *t->at != wanted) return 0;
    t->at++;
    return 1;
}

static size_t utf8_size(const uint8_t *s, const uint8_t *end) {
    size_t size = *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;
    if (!size || (size_t)(end - s) < size) return 0;
    for (size_t i = 1; i < size; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return size;
}

/* Escapes are passed over, not resolved: nothing that is compared has any. */
static int take_string(text *t, slice *out) {
    if (!take(t, '"')) return 0;
    out->text = t->at;
    while (t->at < t->end && *t->at != '"') {
        uint8_t c = (uint8_t)*t->at;
        size_t size = 1;
        if (c == '\\') size = 2;
        else if (c >= 0x80) size = utf8_size((const uint8_t *)t->at, (const uint8_t *)t->end);
        else if (c < 0x20) return 0;
        if (!size || (size_t)(t->end - t->at) < size) return 0;
        t->at += size;
    }
    out->size = (size_t)(t->at - out->text);
    return take(t, '"');
}

static int digits(text *t, uint64_t *value, int *count) {
    const char *first = t->at;
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++, ++*count)
        *value = *value * 10 + (uint64_t)(*t->at - '0');
    return t->at > first;
}

/* Exact where the digits fit 53 bits and the power of ten is a double; strtod for the rest. */
static int take_number(text *t, double *out, int *whole) {
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    skip_space(t);
    const char *first = t->at;
    int negative = t->at < t->end && *t->at == '-', count = 0, exponent = 0;
    t->at += negative;
    uint64_t value = 0, written = 0;
    int zero = t->at < t->end && *t->at == '0';
    if (!digits(t, &value, &count) || (zero && count > 1)) return 0;
    *whole = 1;
    if (t->at < t->end && *t->at == '.') {
        int before = count;
        t->at++;
        if (!digits(t, &value, &count)) return 0;
        exponent = before - count;
        *whole = 0;
    }
    if (t->at < t->end && (*t->at | 0x20) == 'e') {
        int ignored = 0, minus = 0;
        t->at++;
        if (t->at < t->end && (*t->at == '-' || *t->at == '+')) minus = *t->at++ == '-';
        if (!digits(t, &written, &ignored) || ignored > 4) return 0;
        exponent += minus ? -(int)written : (int)written;
        *whole = 0;
    }
    if (count > 18 || value > 1ull << 53 || exponent < -22 || exponent > 22) {
        *out = strtod(first, NULL); /* the body ends with a brace, so strtod ends before it */
        return isfinite(*out);
    }
    *out = exponent < 0 ? (double)value / power[-exponent] : (double)value * power[exponent];
    if (negative) *out = -*out;
    return 1;
}

/* ---- fields ---- */

static int is_time(slice s) { /* 2026-01-05T10:00:00[.5](Z|+01:00) */
    static const char shape[] = "0000-00-00T00:00:00";
    if (s.size < sizeof shape) return 0;
    for (size_t i = 0; i < sizeof shape - 1; i++)
        if (shape[i] == '0' ? s.text[i] < '0' || s.text[i] > '9' : s.text[i] != shape[i]) return 0;
    size_t i = sizeof shape - 1;
    if (s.text[i] == '.')
        for (i++; i < s.size && s.text[i] >= '0' && s.text[i] <= '9';) i++;
    size_t rest = s.size - i;
    return (rest == 1 && s.text[i] == 'Z') ||
           (rest == 6 && (s.text[i] == '+' || s.text[i] == '-') && s.text[i + 3] == ':');
}

static int is_currency(slice s) {
    if (s.size != 3) return 0;
    for (int i = 0; i < 3; i++)
        if (s.text[i] < 'A' || s.text[i] > 'Z') return 0;
    return 1;
}

static int is_kind(slice s) {
    if (s.size < 1 || s.size > 63 || s.text[0] < 'a' || s.text[0] > 'z') return 0;
    for (size_t i = 1; i < s.size; i++) {
        char c = s.text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return 0;
    }
    return 1;
}

static const char *read_entities(text *t) {
    slice kind, id;
    if (!take(t, '{')) return "entities must be an object";
    if (take(t, '}')) return NULL;
    for (int n = 1; n <= 16; n++) {
        if (!take_string(t, &kind) || !take(t, ':')) return NOT_JSON;
        if (!is_kind(kind)) return "entities: not a kind";
        if (!take_string(t, &id) || id.size < 1 || id.size > 128) return "entities: not an id";
        if (take(t, '}')) return NULL;
        if (!take(t, ',')) return NOT_JSON;
    }
    return "entities: too many";
}

static const char *read_features(const name_table *names, text *t, double *row) {
    uint64_t seen = 0;
    slice name;
    int whole;
    if (!take(t, '{')) return "features must be an object";
    for (;;) {
        if (!take_string(t, &name) || !take(t, ':')) return NOT_JSON;
        int i = names_find(names, name);
        if (i < 0) return "not a feature";
        if (!take_number(t, row + i, &whole)) return "a feature is not a number";
        if (fabs(row[i]) > FLT_MAX) return "a feature is out of range";
        seen |= 1ull << i;
        if (take(t, '}')) break;
        if (!take(t, ',')) return NOT_JSON;
    }
    return seen == (1ull << names->count) - 1 ? NULL : "a feature is missing";
}

enum { ID = 1, TIME = 2, ENTITIES = 4, AMOUNT = 8, CURRENCY = 16, FEATURES = 32, ALL = 63 };

static int named(slice s, const char *name) {
    return s.size == strlen(name) && !memcmp(s.text, name, s.size);
}

static int field_of(slice s) {
    return named(s, "transaction_id") ? ID
           : named(s, "event_time")   ? TIME
           : named(s, "entities")     ? ENTITIES
           : named(s, "amount_minor") ? AMOUNT
           : named(s, "currency")     ? CURRENCY
           : named(s, "features")     ? FEATURES
                                      : 0;
}

static const char *read_field(const name_table *names, text *t, int field, double *row) {
    slice s;
    double number;
    int whole;
    switch (field) {
    case ID: return take_string(t, &s) && s.size && s.size <= 128 ? NULL : "transaction_id";
    case TIME: return take_string(t, &s) && is_time(s) ? NULL : "event_time";
    case CURRENCY: return take_string(t, &s) && is_currency(s) ? NULL : "currency";
    case ENTITIES: return read_entities(t);
    case FEATURES: return read_features(names, t, row);
    case AMOUNT:
        if (!take_number(t, &number, &whole) || !whole) return "amount_minor";
        return number >= 0 && number < 9007199254740992.0 ? NULL : "amount_minor";
    default: return "not a field of a transaction";
    }
}

const char *read_envelope(const name_table *names, const char *body, size_t size, double *row) {
    text t = {body, body + size};
    int seen = 0;
    if (!size || body[size - 1] != '}' || !take(&t, '{')) return NOT_JSON;
    for (;;) {
        slice key;
        if (!take_string(&t, &key) || !take(&t, ':')) return NOT_JSON;
        int field = field_of(key);
        const char *problem = read_field(names, &t, field, row);
        if (problem) return problem;
        seen |= field;
        if (take(&t, '}')) break;
        if (!take(&t, ',')) return NOT_JSON;
    }
    skip_space(&t);
    return t.at != t.end ? NOT_JSON : seen == ALL ? NULL : "a field is missing";
}
