/* C++ exceptions: through deep frames with destructors, rethrown, and out of a signal handler (needs CFI there). */
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

int alive;

struct counted {
    counted()
    {
        alive++;
    }
    ~counted()
    {
        alive--;
    }
};

int deep(int n)
{
    counted c;

    if (n == 0)
        throw std::runtime_error("from the bottom");
    return deep(n - 1) + 1;
}

struct fault {
    int sig;
};

void on_fault(int sig)
{
    throw fault{ sig };
}

int touch(volatile int *p)
{
    counted c;

    return *p;
}

} // namespace

int main()
{
    struct sigaction sa = {};

    try {
        deep(500);
    } catch (const std::exception &e) {
        std::printf("%s, alive %d\n", e.what(), alive);
    }
    try {
        try {
            throw std::string("again");
        } catch (...) {
            counted c;
            throw;
        }
    } catch (const std::string &s) {
        std::printf("%s, alive %d\n", s.c_str(), alive);
    }
    sa.sa_handler = on_fault;
    sa.sa_flags = SA_NODEFER;
    sigaction(SIGSEGV, &sa, nullptr);
    for (int i = 0; i < 3; i++) {
        try {
            std::printf("%d\n", touch(reinterpret_cast<volatile int *>(16)));
        } catch (const fault &f) {
            std::printf("signal %d, alive %d\n", f.sig, alive);
        }
    }
    std::map<std::string, std::vector<int>> m;
    for (int i = 0; i < 1000; i++)
        m[std::to_string(i % 37)].push_back(i);
    std::printf("%zu %d\n", m.size(), m["7"].back());
    try {
        std::vector<int>().at(3);
    } catch (const std::out_of_range &) {
        std::puts("out of range");
    }
    std::unique_ptr<int[]> p(new int[1000]());
    std::printf("%d\n", p[999]);
    return 0;
}
