/* box: --allow-connect 127.0.0.1:1 */
/* Packets that go by another way than their address says. */
#include "hostile.h"

int main(void)
{
    unsigned char route[8] = {
        7, 7, 4, 0, 0, 0, 0, 0
    } /* record: loose source routes need privilege besides */;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    TRY(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, sizeof route) == 0);
    return reached_any;
}
