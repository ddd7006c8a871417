/* Load for one HTTP/1.1 server on the loopback, from one core, with distinct requests in turn.
 *
 * Closed loop (rate 0): every connection sends its next request when the last one is answered.
 * Open loop: requests fall due at random moments (Poisson) whatever the server does, and a latency
 * counts from the moment a request was due, not from when a connection was free for it. With
 * "drop", a request that finds every connection busy is not sent but counted: overload.
 *
 * generator PORT REQUESTS CONNECTIONS WARMUP SECONDS RATE wait|drop DEADLINE_MS
 * REQUESTS is a file of whole HTTP requests, each behind its length (uint32, little-endian). Where
 * one has twelve question marks in a row, it is sent with a number there that no other request had.
 * Prints one JSON object. What was answered in the warm-up or too late counts in "all" only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 65536
#define EVENTS 256
#define SECOND 1000000000ull
#define DRAIN (2 * SECOND)
#define NUMBER "????????????"
#define STEPS 64 /* of the histogram, between one power of two and the next */

typedef struct {
    char *text, *number; /* where its own number goes, if it has one */
    uint32_t size;
} request;

typedef struct {
    int fd;
    int busy;
    uint64_t due;
    size_t have, whole; /* bytes of the answer that are here, and all of it once that is known */
    int chunked, closing, status;
    char buffer[BUFFER];
} connection;

static struct {
    int port, poll;
    connection *all;
    size_t connections;
    connection **idle; /* a ring */
    size_t idle_first, idle_count;
    request *requests;
    size_t n_requests, next_request;
    uint64_t number; /* counts on from the time, so that runs share none */
    uint64_t began, ends; /* of what is measured */
    uint64_t deadline;
} g;

static struct {
    uint64_t all, answered, in_time, late, broken, dropped, waiting;
    uint64_t status[1000];
    uint64_t latency[64 * STEPS], latencies, longest;
} count;

static void fail(const char *what) {
    fprintf(stderr, "generator: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t clock_of(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* ---- figures ---- */

static size_t bucket(uint64_t ns) {
    if (ns < STEPS) return ns;
    int power = 63 - __builtin_clzll(ns);
    return (size_t)(power - 5) * STEPS + ((ns >> (power - 6)) & (STEPS - 1));
}

static uint64_t bucket_end(size_t b) {
    if (b < STEPS) return b;
    int power = (int)(b / STEPS) + 5;
    return (1ull << power) + ((b % STEPS + 1) << (power - 6));
}

static void note_latency(uint64_t ns) {
    count.latency[bucket(ns)]++;
    count.latencies++;
    if (ns > count.longest) count.longest = ns;
}

static double percentile_us(double share) {
    uint64_t wanted = (uint64_t)ceil(share * (double)count.latencies), seen = 0;
    for (size_t b = 0; b < 64 * STEPS; b++) {
        seen += count.latency[b];
        if (seen < wanted || !seen) continue;
        uint64_t end = bucket_end(b);
        return (double)(end < count.longest ? end : count.longest) / 1e3;
    }
    return 0;
}

static void answered(const connection *c, uint64_t now) {
    uint64_t took = now - c->due;
    count.all++;
    if (c->due >= g.began && c->due < g.ends) note_latency(took);
    if (now < g.began || now >= g.ends) return;
    count.answered++;
    count.status[c->status]++;
    if (c->status != 200) return;
    if (took <= g.deadline) count.in_time++;
    else count.late++;
}

/* ---- connections ---- */

static void put_idle(connection *c) {
    c->busy = 0;
    g.idle[(g.idle_first + g.idle_count++) % g.connections] = c;
}

static connection *take_idle(void) {
    connection *c = g.idle[g.idle_first];
    g.idle_first = (g.idle_first + 1) % g.connections;
    g.idle_count--;
    return c;
}

static void open_connection(connection *c) {
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)g.port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&where, sizeof where) < 0) fail("connect");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(g.poll, EPOLL_CTL_ADD, c->fd, &e) < 0) fail("epoll_ctl");
    c->have = c->whole = 0;
}

static void reopen(connection *c) {
    close(c->fd);
    open_connection(c);
}

static void give_number(const request *r) {
    uint64_t rest = g.number++;
    for (size_t at = sizeof NUMBER - 1; at--; rest /= 10) r->number[at] = (char)('0' + rest % 10);
}

static void send_next(connection *c, uint64_t due) {
    const request *r = g.requests + g.next_request;
    if (r->number) give_number(r);
    g.next_request = (g.next_request + 1) % g.n_requests;
    c->due = due;
    c->busy = 1;
    c->have = c->whole = 0;
    c->chunked = c->closing = 0;
    ssize_t sent = send(c->fd, r->text, r->size, MSG_NOSIGNAL);
    if (sent == (ssize_t)r->size) return;
    count.broken++; /* the buffer of an idle connection holds a request, so this one is gone */
    reopen(c);
    put_idle(c);
}

/* ---- answers ---- */

static const char *field(const char *head, const char *end, const char *name) {
    size_t size = strlen(name);
    for (const char *line = head; (line = memmem(line, (size_t)(end - line), "\r\n", 2));) {
        line += 2;
        if (!strncasecmp(line, name, size)) return line + size + (line[size] == ' ');
    }
    return NULL;
}

/* 1 when the answer is whole, 0 when more is to come, -1 when it is not understood. */
static int whole(connection *c) {
    if (!c->whole) {
        char *end = memmem(c->buffer, c->have, "\r\n\r\n", 4);
        if (!end) return c->have == BUFFER ? -1 : 0;
        if (c->have < 12) return -1;
        c->status = atoi(c->buffer + 9);
        if (c->status < 100 || c->status > 999) return -1;
        const char *length = field(c->buffer, end, "content-length:");
        const char *coding = field(c->buffer, end, "transfer-encoding:");
        const char *kept = field(c->buffer, end, "connection:");
        c->closing = kept && !strncasecmp(kept, "close", 5);
        c->chunked = coding && !strncasecmp(coding, "chunked", 7);
        if (!length && !c->chunked) return -1;
        c->whole = (size_t)(end + 4 - c->buffer) + (length ? strtoul(length, NULL, 10) : 5);
        if (c->whole > BUFFER) return -1;
    }
    if (c->have < c->whole) return 0;
    return !c->chunked || !memcmp(c->buffer + c->have - 5, "0\r\n\r\n", 5);
}

/* Reads what is there; 1 when the connection is ready for its next request. */
static int receive(connection *c) {
    ssize_t got = recv(c->fd, c->buffer + c->have, BUFFER - c->have, 0);
    if (got < 0 && errno == EAGAIN) return 0;
    int state = -1;
    if (got > 0) {
        c->have += (size_t)got;
        state = c->busy ? whole(c) : -1;
    }
    if (state == 0) return 0;
    int was_busy = c->busy;
    if (state > 0) answered(c, clock_of(CLOCK_MONOTONIC));
    else if (was_busy) count.broken++;
    if (state < 0 || c->closing) reopen(c);
    return was_busy;
}

/* ---- the run ---- */

static double random_unit(void) {
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)((state >> 11) + 1) / 9007199254740992.0;
}

static uint64_t send_due(uint64_t due, uint64_t now, double rate, int drop) {
    while (due <= now && due < g.ends) {
        if (!g.idle_count && !drop) break;
        if (g.idle_count) send_next(take_idle(), due);
        else if (due >= g.began) count.dropped++;
        due += (uint64_t)(-log(random_unit()) / rate * 1e9);
    }
    return due;
}

static void run(double rate, int drop, uint64_t warmup, uint64_t measured, uint64_t *cpu) {
    uint64_t now = clock_of(CLOCK_MONOTONIC), due = now, cpu_before = 0;
    g.began = now + warmup;
    g.ends = g.began + measured;
    if (rate == 0)
        while (g.idle_count) send_next(take_idle(), clock_of(CLOCK_MONOTONIC));
    struct epoll_event events[EVENTS];
    for (;;) {
        now = clock_of(CLOCK_MONOTONIC);
        if (!cpu_before && now >= g.began) cpu_before = clock_of(CLOCK_PROCESS_CPUTIME_ID);
        if (now >= g.ends && !*cpu) *cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
        if (now >= g.ends + DRAIN || (now >= g.ends && g.idle_count == g.connections)) break;
        if (rate > 0) due = send_due(due, now, rate, drop);
        uint64_t until = now < g.began ? g.began : now < g.ends ? g.ends : g.ends + DRAIN;
        if (rate > 0 && due < g.ends && (g.idle_count || drop) && due < until) until = due;
        uint64_t wait = until > now ? until - now : 0;
        struct timespec span = {(time_t)(wait / SECOND), (long)(wait % SECOND)};
        int n = epoll_pwait2(g.poll, events, EVENTS, &span, NULL);
        for (int i = 0; i < n; i++) {
            connection *c = events[i].data.ptr;
            if (!receive(c)) continue;
            now = clock_of(CLOCK_MONOTONIC);
            if (rate == 0 && now < g.ends) send_next(c, now);
            else put_idle(c);
        }
    }
    /* What was due and never sent, or never answered, waited at least until now. */
    for (; rate > 0 && !drop && due < g.ends; due += (uint64_t)(-log(random_unit()) / rate * 1e9))
        if (due >= g.began) note_latency(now - due), count.waiting++;
    for (connection *c = g.all; c < g.all + g.connections; c++)
        if (c->busy && c->due >= g.began) note_latency(now - c->due), count.waiting++;
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (!file || fstat(fileno(file), &about) < 0) fail(path);
    size_t size = (size_t)about.st_size;
    char *text = malloc(size);
    if (!text || fread(text, 1, size, file) != size) fail(path);
    fclose(file);
    g.requests = calloc(size / 4 + 1, sizeof *g.requests);
    for (size_t at = 0; at + 4 <= size; g.n_requests++) {
        request *r = g.requests + g.n_requests;
        memcpy(&r->size, text + at, 4);
        r->text = text + at + 4;
        at += 4 + r->size;
        if (at > size) fail("a request is cut off");
        r->number = memmem(r->text, r->size, NUMBER, sizeof NUMBER - 1);
    }
    if (!g.n_requests) fail("no requests");
}

static void print(double seconds, uint64_t cpu) {
    printf("{\"rate\": %.1f, \"goodput\": %.1f, \"all\": %llu, \"answered\": %llu, \"late\": %llu, "
           "\"broken\": %llu, \"dropped\": %llu, \"waiting\": %llu, \"cpu\": %.3f, \"status\": {",
           (double)count.answered / seconds, (double)count.in_time / seconds,
           (unsigned long long)count.all, (unsigned long long)count.answered, (unsigned long long)count.late,
           (unsigned long long)count.broken, (unsigned long long)count.dropped,
           (unsigned long long)count.waiting, (double)cpu / 1e9 / seconds);
    const char *comma = "";
    for (int i = 0; i < 1000; i++)
        if (count.status[i]) {
            printf("%s\"%d\": %llu", comma, i, (unsigned long long)count.status[i]);
            comma = ", ";
        }
    printf("}, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"longest\": %.1f}\n",
           percentile_us(.5), percentile_us(.9), percentile_us(.99), percentile_us(.999),
           (double)count.longest / 1e3);
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: generator PORT REQUESTS CONNECTIONS WARMUP SECONDS RATE"
                        " wait|drop DEADLINE_MS\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1ul, 0, 0, 0);
    g.port = atoi(argv[1]);
    read_requests(argv[2]);
    g.number = clock_of(CLOCK_REALTIME) / 10000; /* of 10 us: nobody sends faster for long */
    g.connections = strtoul(argv[3], NULL, 10);
    g.all = calloc(g.connections, sizeof *g.all);
    g.idle = calloc(g.connections, sizeof *g.idle);
    g.poll = epoll_create1(EPOLL_CLOEXEC);
    if (!g.connections || !g.all || !g.idle || g.poll < 0) fail("start");
    double warmup = atof(argv[4]), seconds = atof(argv[5]), rate = atof(argv[6]);
    g.deadline = (uint64_t)(atof(argv[8]) * 1e6);
    for (size_t i = 0; i < g.connections; i++) {
        open_connection(g.all + i);
        put_idle(g.all + i);
    }
    uint64_t cpu = 0;
    run(rate, !strcmp(argv[7], "drop"), (uint64_t)(warmup * 1e9), (uint64_t)(seconds * 1e9), &cpu);
    print(seconds, cpu);
    return 0;
}
