/* A client that opens a connection for each query: connects, asks, reads the response, closes, and connects again.
 *
 *     connects PORT QUERIES CONNECTIONS SECONDS
 *
 * QUERIES: see queries.h.
 * CONNECTIONS: open at once. Each comes from the next of 250 addresses, 127.1.0.1 and up: no server's limit on a client's
 *     connections is met, and none runs out of ports.
 * Prints: queries sent, responses with NOERROR, NXDOMAIN and any other RCODE, and the seconds that it took.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "queries.h"

enum { MOST = 256, LARGEST = 4096, SOURCES = 250 };

static struct {
    int sock;
    size_t length; /* of what has been read */
    unsigned char response[LARGEST];
} connections[MOST];

static uint64_t sent, rcodes[16];
static uint32_t source;
static struct sockaddr_in server = {.sin_family = AF_INET};
static int waiting; /* epoll */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void connect_again(int index)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010001 + source++ % SOURCES)};
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = index};
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    /* Else bind() would take a port, from fewer than there are if it may choose it for a connection to one server. */
    setsockopt(sock, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (sock < 0 || bind(sock, (struct sockaddr *)&here, sizeof here) != 0)
        fail("bind");
    if (connect(sock, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)
        fail("connect");
    connections[index].sock = sock;
    connections[index].length = 0;
    epoll_ctl(waiting, EPOLL_CTL_ADD, sock, &event);
}

static void ask(int index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    size_t whole;
    unsigned char *query = next_query(&whole);
    if (send(connections[index].sock, query, whole, MSG_NOSIGNAL) != (ssize_t)whole)
        fail("send");
    sent++;
    epoll_ctl(waiting, EPOLL_CTL_MOD, connections[index].sock, &event);
}

/* Reads on; 1: the connection has done its work, or is broken. */
static int is_done(int index)
{
    unsigned char *response = connections[index].response;
    size_t *length = &connections[index].length;
    ssize_t more = recv(connections[index].sock, response + *length, LARGEST - *length, 0);
    if (more <= 0)
        return more == 0 || errno != EAGAIN;
    *length += more;
    if (*length < 14 || *length < 2u + (response[0] << 8 | response[1]))
        return 0;
    rcodes[response[5] & 15]++;
    return 1;
}

int main(int count, char **words)
{
    struct epoll_event events[MOST];
    if (count != 5) {
        fprintf(stderr, "connects PORT QUERIES CONNECTIONS SECONDS\n");
        return 2;
    }
    server.sin_port = htons(atoi(words[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    load_queries(words[2]);
    int open = atoi(words[3]) < MOST ? atoi(words[3]) : MOST;
    waiting = epoll_create1(0);
    double start = now(), end = start + atof(words[4]);
    for (int i = 0; i < open; i++)
        connect_again(i);
    /* Those that are on their way at the end get a second. */
    while (open > 0 && now() < end + 1) {
        int ready = epoll_wait(waiting, events, MOST, 100);
        for (int i = 0; i < ready; i++) {
            int index = events[i].data.u32;
            if (events[i].events & EPOLLOUT) {
                ask(index);
            } else if (is_done(index)) {
                close(connections[index].sock);
                if (now() < end)
                    connect_again(index);
                else
                    open--;
            }
        }
    }
    uint64_t others = 0;
    for (int rcode = 0; rcode < 16; rcode++)
        others += rcode == 0 || rcode == 3 ? 0 : rcodes[rcode];
    printf("%lu %lu %lu %lu %.6f\n", sent, rcodes[0], rcodes[3], others, now() - start);
    return 0;
}
