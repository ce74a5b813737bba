/* reverse_lookups COUNT ADDRESS: ask the C library COUNT times who the address is; print each answer, or an error, on a line. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
        return 2;
    for (int left = atoi(argv[1]); left > 0; left--) {
        char name[NI_MAXHOST];
        int error = getnameinfo((struct sockaddr *)&address, sizeof address, name, sizeof name, NULL, 0, NI_NAMEREQD);
        puts(error ? gai_strerror(error) : name);
    }
    return 0;
}
