/* Typing into the terminal of whoever started this, and taking it over. */
#include "hostile.h"

int main(void)
{
    int pty = open("/dev/ptmx", O_RDWR | O_NOCTTY), tty;
    char c = '\n';

    TRY(pty >= 0);
    tty =
        pty < 0 || ioctl(pty, TIOCSPTLCK, &(int){ 0 }) < 0 ? -1 : ioctl(pty, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    TRY(ioctl(tty < 0 ? 0 : tty, TIOCSTI, &c) == 0);
    TRY(open("/dev/tty", O_RDWR) >= 0 || errno == ENXIO);
    TRY(ioctl(0, TIOCSCTTY, 1) == 0);
    TRY(ioctl(0, TIOCCONS) == 0);
    return reached_any;
}
