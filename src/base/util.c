/*
 * The end of the line for our own mistakes. Nothing a guest does may lead here.
 */
#include "base/util.h"

#include <stdlib.h>

#include "base/log.h"

void bug(const char *file, int line, const char *what)
{
    log_line(LOG_ERROR, "internal error: %s:%d: %s", file, line, what);
    abort();
}
