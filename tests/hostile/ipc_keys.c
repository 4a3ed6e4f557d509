/* The kernel's keys of this user and session. */
#include "hostile.h"

int main(void)
{
    TRY(syscall(SYS_add_key, "user", "hostile", "x", 1, -2 /* process keyring */) >= 0);
    TRY(syscall(SYS_request_key, "user", "hostile", NULL, -2) >= 0);
    TRY(syscall(SYS_keyctl, 0, -3 /* session */, 0, 0, 0) >= 0);
    return reached_any;
}
