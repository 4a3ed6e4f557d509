/* Floating point that IEEE 754 defines alike everywhere: text in and out, rounding modes, libm, flags. */
#include <fenv.h>
#include <float.h>
#include <math.h>

#include "guest.h"

static const double value[] = {
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.1,
    1e-310,
    4.9e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    3.141592653589793,
    1e16,
    9007199254740993.0,
    123456789.123456789,
    INFINITY,
    -INFINITY,
};

static const int mode[] = { FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD };

static uint64_t bits(double d)
{
    uint64_t u;

    memcpy(&u, &d, sizeof(u));
    return u;
}

int main(void)
{
    for (size_t i = 0; i < COUNT(value); i++)
        printf("%g %.17g %a %.3f %e\n", value[i], value[i], value[i], value[i], value[i]);
    printf("%.17g %.17g\n", strtod("0.1e-1", NULL), strtod("2.2250738585072011e-308", NULL));
    printf("%.9g %Lg\n", (double)strtof("16777217", NULL), (long double)1 / 3);
    for (size_t m = 0; m < COUNT(mode); m++) {
        volatile double one = 1, three = 3, tiny = DBL_MIN, big = DBL_MAX, third;
        volatile float f = 16777216.0f, g = 1.0f;

        fesetround(mode[m]);
        feclearexcept(FE_ALL_EXCEPT);
        third = one / three;
        printf("mode %zu: %016llx %016llx", m, (unsigned long long)bits(third),
               (unsigned long long)bits(-third * three));
        printf(" %016llx %016llx %.1f", (unsigned long long)bits(tiny * third),
               (unsigned long long)bits(big * three), (double)(f + g));
        printf(" %016llx %d %ld\n", (unsigned long long)bits(sqrt(three)), !!fetestexcept(FE_INEXACT),
               lrint(2.5 * one));
        printf("  nearbyint %.1f %.1f rint %.1f\n", nearbyint(2.5 * one), nearbyint(-2.5 * one),
               rint(1.5 * one));
    }
    fesetround(FE_TONEAREST);
    volatile double zero = 0;
    feclearexcept(FE_ALL_EXCEPT);
    zero = 1 / zero;
    SHOW(!!fetestexcept(FE_DIVBYZERO));
    zero = DBL_MAX;
    zero = zero * zero;
    SHOW(!!fetestexcept(FE_OVERFLOW));
    FACT(isnan(zero - zero));
    SHOW(!!fetestexcept(FE_INVALID));
    printf("%.15g %.15g %.15g %.15g\n", sin(1), exp(1), log(10), pow(2, 0.5));
    printf("%.15g %.15g %.15g\n", fma(1e16, 1.0000000000000002, -1e16), fmod(10, 3.3), remainder(10, 3.3));
    printf("%.1f %.1f %ld %ld\n", floor(-1.5), ceil(-1.5), lround(-2.5), lround(2.5));
    for (int e = -1080; e <= 1024; e += 263)
        printf("%a ", ldexp(1.75, e));
    printf("\n");
    return 0;
}
