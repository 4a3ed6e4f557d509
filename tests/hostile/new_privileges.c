/* A program with more privilege than this one could still be run. */
#include "hostile.h"

int main(void)
{
    TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    return reached_any;
}
