/* What one core can do: an epoll server that reads the scorer's envelope, walks the scorer's own
 * compiled model and prints the scorer's answer, and nothing else. No product: it has no limits, no
 * deadlines, no metrics, no records, and dies of what a server must survive.
 *
 * yardstick PORT MODEL.fdm REVIEW DECLINE NAME VERSION DIGEST FEATURE...
 * POST /v1/score is answered like the scorer does; any other path with two bytes, unread: that is
 * the limit of the loopback and of whoever loads it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "envelope.h"
#include "fdm.h"

#define BUFFER 16384
#define EVENTS 256

typedef struct {
    int fd;
    size_t have;
    char buffer[BUFFER];
} connection;

static struct {
    fdm_model model;
    double *slots, *scratch;
    name_table names;
    double review, decline;
    char named[512]; /* the answer's "model": the same in each */
    size_t named_size;
    uint64_t random[2], decided[3];
} g;

static void fail(const char *what) {
    fprintf(stderr, "yardstick: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the answer ---- */

static char *put(char *to, const char *text, size_t size) {
    memcpy(to, text, size);
    return to + size;
}
#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static uint64_t next_random(void) { /* xorshift128+ */
    uint64_t a = g.random[0], b = g.random[1];
    g.random[0] = b;
    a ^= a << 23;
    return (g.random[1] = a ^ b ^ a >> 17 ^ b >> 26) + b;
}

static char *put_uuid(char *to) {
    static const char hex[] = "0123456789abcdef";
    uint64_t bits[2] = {next_random(), next_random()};
    uint8_t *byte = (uint8_t *)bits;
    byte[6] = (byte[6] & 0x0f) | 0x40;
    byte[8] = (byte[8] & 0x3f) | 0x80;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
        *to++ = hex[byte[i] >> 4];
        *to++ = hex[byte[i] & 15];
    }
    return to;
}

static char *put_double(char *to, double x) { /* the shortest that reads back as the same */
    int size = 0;
    for (int precision = 15; precision <= 17; precision++) {
        size = sprintf(to, "%.*g", precision, x);
        if (strtod(to, NULL) == x) break;
    }
    return to + size;
}

static char *put_ms(char *to, uint64_t ns) {
    uint64_t us = (ns + 500) / 1000;
    return to + sprintf(to, "%u.%03u", (unsigned)(us / 1000), (unsigned)(us % 1000));
}

static char *put_answer(char *to, double score, uint64_t began, uint64_t ready, uint64_t scored) {
    int decision = score >= g.decline ? 2 : score >= g.review ? 1 : 0;
    g.decided[decision]++;
    to = put_uuid(PUT(to, "{\"prediction_id\":\""));
    to = put_double(PUT(to, "\",\"score\":"), score);
    to = PUT(to, ",\"decision\":\"");
    to = decision == 2 ? PUT(to, "decline") : decision ? PUT(to, "review") : PUT(to, "approve");
    to = PUT(to, "\",\"decided_by\":\"");
    to = decision == 2   ? PUT(to, "threshold.decline")
         : decision == 1 ? PUT(to, "threshold.review")
                         : PUT(to, "below_thresholds");
    to = PUT(to, "\",\"reasons\":[],\"model\":");
    to = put(to, g.named, g.named_size);
    to = PUT(to, ",\"feature_age_ms\":null,\"degraded\":[],\"timing_ms\":{\"features\":");
    to = put_ms(to, ready - began);
    to = put_ms(PUT(to, ",\"model\":"), scored - ready);
    to = put_ms(PUT(to, ",\"total\":"), now_ns() - began);
    return PUT(to, "}}");
}

static const char *score(const char *body, size_t size, char **to) {
    uint64_t began = now_ns();
    const char *problem = read_envelope(&g.names, body, size, g.slots);
    if (problem) return problem;
    uint64_t ready = now_ns();
    fdm_refusal refusal;
    fdm_fpu fpu = fdm_fpu_enter();
    fdm_run(&g.model, g.slots, 1, g.scratch, &refusal);
    fdm_fpu_leave(fpu);
    if (refusal.why != FDM_OK) return "no score";
    *to = put_answer(*to, g.slots[g.model.score], began, ready, now_ns());
    return NULL;
}

/* ---- HTTP ---- */

static void answer(connection *c, const char *head, const char *body, size_t size) {
    char out[2048], text[1024], *end = text;
    const char *problem = NULL;
    if (strncmp(head, "POST /v1/score ", 15)) end = PUT(text, "{}");
    else problem = score(body, size, &end);
    if (problem) end = text + sprintf(text, "{\"detail\":\"%s\"}", problem);
    int n = sprintf(out, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
                    problem ? "422 Unprocessable Content" : "200 OK", (size_t)(end - text));
    put(out + n, text, (size_t)(end - text));
    size_t whole = (size_t)n + (size_t)(end - text);
    if (send(c->fd, out, whole, MSG_NOSIGNAL) != (ssize_t)whole) shutdown(c->fd, SHUT_RDWR);
}

/* Bytes of the first request in the buffer, answered; 0 when it is not whole yet. */
static size_t one_request(connection *c) {
    char *end = memmem(c->buffer, c->have, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end + 4 - c->buffer), size = 0;
    for (char *line = c->buffer; line < end; line = (char *)memchr(line, '\n', (size_t)(end + 4 - line)) + 1)
        if (!strncasecmp(line, "content-length:", 15)) size = strtoul(line + 15, NULL, 10);
    if (c->have < head + size) return 0;
    answer(c, c->buffer, c->buffer + head, size);
    return head + size;
}

static int serve(connection *c) {
    ssize_t got = recv(c->fd, c->buffer + c->have, BUFFER - c->have, 0);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got <= 0) return 0;
    c->have += (size_t)got;
    for (size_t used; (used = one_request(c)); c->have -= used)
        memmove(c->buffer, c->buffer + used, c->have - used);
    return c->have < BUFFER;
}

static void accept_all(int listener, int poll) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connection *c = calloc(1, sizeof *c);
        if (!c) fail("calloc");
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e);
    }
}

static int listen_on(int port) {
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&where, sizeof where) < 0 || listen(fd, 2048) < 0) fail("listen");
    return fd;
}

static void load(const char *path) {
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) < 0) fail(path);
    void *data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) fail(path);
    const char *problem = fdm_open(&g.model, data, (size_t)about.st_size);
    if (problem) {
        fprintf(stderr, "yardstick: %s: %s\n", path, problem);
        exit(1);
    }
    g.slots = malloc((g.model.n_slots + 1) * sizeof *g.slots);
    g.scratch = malloc(fdm_scratch_size(&g.model, 1) + sizeof *g.scratch);
}

int main(int argc, char **argv) {
    if (argc < 9 || argc - 8 > MAX_NAMES - 1) {
        fprintf(stderr, "usage: yardstick PORT MODEL REVIEW DECLINE NAME VERSION DIGEST FEATURE...\n");
        return 2;
    }
    load(argv[2]);
    for (int i = 8; i < argc; i++) names_add(&g.names, argv[i]);
    if (g.names.count != g.model.n_inputs) fail("these are not the model's features");
    g.review = atof(argv[3]);
    g.decline = atof(argv[4]);
    g.named_size = (size_t)snprintf(g.named, sizeof g.named,
                                    "{\"name\":\"%s\",\"version\":\"%s\",\"digest\":\"%s\"}", argv[5],
                                    argv[6], argv[7]);
    if (getrandom(g.random, sizeof g.random, 0) != sizeof g.random) fail("getrandom");
    int listener = listen_on(atoi(argv[1])), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event own = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &own);
    for (;;) {
        int n = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            connection *c = events[i].data.ptr;
            if (!c) accept_all(listener, poll);
            else if (!serve(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}
