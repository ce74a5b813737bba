/* A client that keeps time: sends queries over UDP at a steady rate, whatever the server does, and times each response.
 *
 *     steady PORT QUERIES RATE SECONDS TIMES
 *
 * QUERIES: see queries.h.
 * TIMES: written: for each query, in the order of sending, nanoseconds from the moment when it was due to its response,
 *     a native 32-bit integer; all bits set: no response within a second after the last query was sent.
 * Prints: the moment when the first query was due (seconds of CLOCK_MONOTONIC), the numbers of queries sent and of responses
 *     with NOERROR, NXDOMAIN and any other RCODE, and how late the latest of all queries was sent, in nanoseconds.
 *
 * A query's time runs from when it was due, not from when it was sent: a server, or this client, that is stopped for a
 * moment keeps all queries of that moment waiting, and each of them counts. It spins, so give it a core of its own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "queries.h"

enum { IDS = 65536, LARGEST = 4096, SECOND = 1000000000 };

static uint32_t *times;          /* of each query */
static uint32_t query_of[IDS];   /* the number of the last query that had an ID, plus 1 */
static uint64_t rcodes[16];

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static int open_socket(int port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 4 << 20;
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof room); /* as much as the system lets us have */
    if (connect(sock, (struct sockaddr *)&server, sizeof server) != 0)
        fail("connect");
    return sock;
}

/* Takes all responses that have come; those to queries that are not waiting, or that wait no more, are ignored. */
static void receive(int sock, int64_t start, double gap)
{
    unsigned char response[LARGEST];
    ssize_t length;
    while ((length = recv(sock, response, sizeof response, 0)) >= 12) {
        int64_t at = now();
        uint32_t number = query_of[response[0] << 8 | response[1]];
        if (number == 0 || !(response[2] & 0x80) || times[number - 1] != UINT32_MAX)
            continue;
        int64_t waited = at - start - (int64_t)((number - 1) * gap);
        if (waited < UINT32_MAX) {
            times[number - 1] = waited;
            rcodes[response[3] & 15]++;
        }
    }
}

int main(int count, char **words)
{
    if (count != 6) {
        fprintf(stderr, "steady PORT QUERIES RATE SECONDS TIMES\n");
        return 2;
    }
    double rate = atof(words[3]), gap = SECOND / rate;
    uint32_t total = rate * atof(words[4]);
    int sock = open_socket(atoi(words[1]));
    int64_t latest = 0;
    uint64_t others = 0;
    load_queries(words[2]);
    times = malloc(sizeof *times * total);
    memset(times, 0xff, sizeof *times * total);
    int64_t start = now() + SECOND / 5, end = 0; /* whoever started us is at rest by then */
    for (uint32_t sent = 0; sent < total || now() < end;) {
        int64_t due = start + (int64_t)(sent * gap), late = now() - due;
        if (sent < total && late >= 0) {
            size_t whole;
            unsigned char *query = next_query(&whole) + 2;
            query[0] = sent >> 8;
            query[1] = sent;
            query_of[sent % IDS] = sent + 1;
            if (send(sock, query, whole - 2, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
                fail("send");
            latest = late > latest ? late : latest;
            if (++sent == total)
                end = now() + SECOND;
        }
        receive(sock, start, gap);
    }
    FILE *file = fopen(words[5], "wb");
    if (!file || fwrite(times, sizeof *times, total, file) != total || fclose(file) != 0)
        fail(words[5]);
    for (int rcode = 0; rcode < 16; rcode++)
        others += rcode == 0 || rcode == 3 ? 0 : rcodes[rcode];
    printf("%.9f %u %lu %lu %lu %ld\n", start / 1e9, total, rcodes[0], rcodes[3], others, latest);
    return 0;
}
