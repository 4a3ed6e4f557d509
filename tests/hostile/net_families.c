/* Families and types that pass by rules on addresses. */
#include "hostile.h"

int main(void)
{
    TRY(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
    TRY(socket(AF_NETLINK, SOCK_DGRAM, 15) >= 0);
    TRY(socket(AF_PACKET, SOCK_RAW, 0) >= 0);
    TRY(socket(AF_INET, SOCK_RAW, IPPROTO_TCP) >= 0);
    TRY(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) >= 0);
    TRY(socket(AF_INET, SOCK_STREAM, 262 /* MPTCP */) >= 0);
    TRY(socket(AF_INET, SOCK_STREAM, 132 /* SCTP */) >= 0);
    TRY(socket(40 /* AF_VSOCK */, SOCK_STREAM, 0) >= 0);
    TRY(socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0) >= 0);
    TRY(socket(44 /* AF_XDP */, SOCK_RAW, 0) >= 0);
    return reached_any;
}
