/* Files by handle, which pass by every folder above them. */
#include "hostile.h"

int main(int argc, char **argv)
{
    struct file_handle *h = malloc(sizeof *h + MAX_HANDLE_SZ);
    int mount;

    (void)argc;
    h->handle_bytes = MAX_HANDLE_SZ;
    TRY(name_to_handle_at(AT_FDCWD, argv[3], h, &mount, 0) == 0);
    h->handle_bytes = MAX_HANDLE_SZ;
    TRY(name_to_handle_at(AT_FDCWD, argv[1], h, &mount, 0) == 0);
    return reached_any;
}
