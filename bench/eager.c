/* A client that is never the limit: keeps so many queries outstanding over UDP, and hands them over and takes the
 * responses in batches (sendmmsg, recvmmsg), which costs it less than any server needs.
 *
 *     eager PORT QUERIES SECONDS MOST
 *
 * QUERIES: see queries.h.
 * MOST: queries to send at most; 0: as many as the time allows.
 * Prints: the seconds from the first query to the last response, the number of queries sent, of responses with NOERROR,
 *     NXDOMAIN and any other RCODE, and the octets of all responses.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "queries.h"

enum { SOCKETS = 2, OUTSTANDING = 100 /* of each socket */, BATCH = 64, IDS = 65536, LARGEST = 4096 };

static const double PATIENCE = 0.2; /* seconds without any response until what is outstanding is lost */

static struct {
    int sock, outstanding;
    double heard; /* when a response came, or everything was given up */
} ends[SOCKETS];
static char waits[IDS]; /* for each ID: the number of the socket that awaits its response, plus 1 */
static uint64_t sent, rcodes[16], octets;
static struct mmsghdr headers[BATCH];
static struct iovec vectors[BATCH];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void open_sockets(int port)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int end = 0; end < SOCKETS; end++) {
        ends[end].sock = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (connect(ends[end].sock, (struct sockaddr *)&server, sizeof server) != 0)
            fail("connect");
    }
    for (int slot = 0; slot < BATCH; slot++) {
        headers[slot].msg_hdr.msg_iov = &vectors[slot];
        headers[slot].msg_hdr.msg_iovlen = 1;
    }
}

/* Sends until enough is outstanding, or `most` have been sent. */
static void send_more(int end, uint64_t most)
{
    while (ends[end].outstanding < OUTSTANDING && sent < most) {
        int wanted = OUTSTANDING - ends[end].outstanding, count = 0;
        for (; count < wanted && count < BATCH && sent + count < most; count++) {
            unsigned char *query = next_query(&vectors[count].iov_len) + 2;
            uint16_t id = sent + count;
            query[0] = id >> 8;
            query[1] = id;
            waits[id] = end + 1;
            vectors[count].iov_base = query;
            vectors[count].iov_len -= 2;
        }
        for (int done = 0; done < count;) {
            int more = sendmmsg(ends[end].sock, headers + done, count - done, 0);
            if (more < 0 && errno != EAGAIN && errno != ECONNREFUSED)
                fail("sendmmsg");
            done += more > 0 ? more : 0;
        }
        ends[end].outstanding += count;
        sent += count;
    }
}

/* Takes what has come on a socket; returns whether anything has. Responses that nobody waits for are ignored. */
static int receive(int end, double at)
{
    static unsigned char responses[BATCH][LARGEST];
    for (int slot = 0; slot < BATCH; slot++)
        vectors[slot] = (struct iovec){responses[slot], LARGEST};
    int count = recvmmsg(ends[end].sock, headers, BATCH, MSG_DONTWAIT, NULL);
    for (int slot = 0; slot < count; slot++) {
        unsigned char *response = responses[slot];
        uint16_t id = response[0] << 8 | response[1];
        if (headers[slot].msg_len < 12 || waits[id] != end + 1)
            continue;
        waits[id] = 0;
        rcodes[response[3] & 15]++;
        octets += headers[slot].msg_len;
        ends[end].outstanding--;
    }
    if (count > 0) {
        ends[end].heard = at;
    } else if (at - ends[end].heard > PATIENCE) {
        for (int id = 0; id < IDS; id++)
            waits[id] = waits[id] == end + 1 ? 0 : waits[id];
        ends[end].outstanding = 0;
        ends[end].heard = at;
    }
    return count > 0;
}

int main(int count, char **words)
{
    if (count != 5) {
        fprintf(stderr, "eager PORT QUERIES SECONDS MOST\n");
        return 2;
    }
    double seconds = atof(words[3]);
    uint64_t most = strtoull(words[4], NULL, 10), others = 0;
    load_queries(words[2]);
    open_sockets(atoi(words[1]));
    double start = now(), at = start, last = start;
    for (int end = 0; end < SOCKETS; end++)
        ends[end].heard = start;
    for (int left = 1; left > 0 || at < start + seconds; at = now()) {
        int any = 0;
        if (at >= start + seconds)
            most = sent; /* no more */
        left = 0;
        for (int end = 0; end < SOCKETS; end++) {
            send_more(end, most ? most : UINT64_MAX);
            any |= receive(end, at);
            left += ends[end].outstanding;
        }
        if (most && sent >= most && left == 0)
            break;
        if (any) {
            last = now();
        } else {
            struct pollfd both[SOCKETS];
            for (int end = 0; end < SOCKETS; end++)
                both[end] = (struct pollfd){ends[end].sock, POLLIN, 0};
            poll(both, SOCKETS, 20);
        }
    }
    for (int rcode = 0; rcode < 16; rcode++)
        others += rcode == 0 || rcode == 3 ? 0 : rcodes[rcode];
    printf("%.6f %lu %lu %lu %lu %lu\n", last - start, sent, rcodes[0], rcodes[3], others, octets);
    return 0;
}
