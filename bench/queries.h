/* The queries that a client sends, from a file: messages, each behind its length in two octets, as over TCP (RFC 1035
 * section 4.2.2); read again from the start when it ends.
 */
#include <stdio.h>
#include <stdlib.h>

static struct {
    unsigned char *octets;
    size_t size, place;
} queries;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void load_queries(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        fail(path);
    queries.size = ftell(file);
    rewind(file);
    queries.octets = malloc(queries.size);
    if (!queries.octets || fread(queries.octets, 1, queries.size, file) != queries.size)
        fail(path);
    fclose(file);
}

/* Gives the next query with its length before it; `whole`: the octets of both. */
static unsigned char *next_query(size_t *whole)
{
    unsigned char *query = queries.octets + queries.place;
    *whole = 2 + (query[0] << 8 | query[1]);
    queries.place += *whole;
    if (queries.place >= queries.size)
        queries.place = 0;
    return query;
}
