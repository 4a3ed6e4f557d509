/* box: --allow-connect 127.0.0.1:1 */
/* A socket that is connected where it may be, dissolved, and connected elsewhere. */
#include "hostile.h"

int main(int argc, char **argv)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(1) };
    struct sockaddr none = { .sa_family = AF_UNSPEC };
    int udp = socket(AF_INET, SOCK_DGRAM, 0);

    (void)argc;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(udp, (struct sockaddr *)&to, sizeof to) < 0 || connect(udp, &none, sizeof none) < 0)
        return 2;
    to.sin_port = htons(atoi(argv[5]));
    TRY(connect(udp, (struct sockaddr *)&to, sizeof to) == 0);
    TRY(sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1);
    return reached_any;
}
