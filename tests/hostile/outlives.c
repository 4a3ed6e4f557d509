/* Death is refused: what started this box clears its death signal and adopts its orphans. */
#include "hostile.h"

int main(void)
{
    TRY(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) == 0);
    TRY(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    return reached_any;
}
