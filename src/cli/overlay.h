/* noahv diff, apply and discard: what boxes have written to their overlays. */
#ifndef NOAHV_CLI_OVERLAY_H
#define NOAHV_CLI_OVERLAY_H

#include <stdbool.h>

/* Is the word one of the three? */
bool overlay_command(const char *word);

/* argv[0] is that word. The exit status. */
int overlay_main(int argc, char **argv);

#endif
