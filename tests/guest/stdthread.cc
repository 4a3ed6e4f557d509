// C++ threads: std::thread, mutex, condition variable, future, call_once, thread_local, exceptions across threads.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
#include <queue>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> destroyed;

struct Local {
    int n = 0;
    ~Local()
    {
        destroyed += n;
    }
};

static thread_local Local local;

static void work(std::mutex &lock, long &sum, int from)
{
    for (int i = from; i < from + 1000; i++) {
        std::lock_guard<std::mutex> guard(lock);
        sum += i;
    }
    local.n = from / 1000 + 1;
}

static void sums()
{
    std::vector<std::thread> threads;
    std::mutex lock;
    long sum = 0;

    for (int i = 0; i < 6; i++)
        threads.emplace_back(work, std::ref(lock), std::ref(sum), i * 1000);
    for (auto &t : threads)
        t.join();
    std::printf("sum %ld, destroyed %d\n", sum, destroyed.load());
}

// One producer, three consumers.
static void queue()
{
    std::queue<int> q;
    std::mutex lock;
    std::condition_variable more;
    std::atomic<long> total{ 0 };
    std::vector<std::thread> consumers;
    bool done = false;

    for (int i = 0; i < 3; i++)
        consumers.emplace_back([&] {
            for (;;) {
                std::unique_lock<std::mutex> guard(lock);
                more.wait(guard, [&] { return done || !q.empty(); });
                if (q.empty())
                    return;
                total += q.front();
                q.pop();
            }
        });
    for (int i = 1; i <= 500; i++) {
        std::lock_guard<std::mutex> guard(lock);
        q.push(i);
        more.notify_one();
    }
    {
        std::lock_guard<std::mutex> guard(lock);
        done = true;
    }
    more.notify_all();
    for (auto &t : consumers)
        t.join();
    std::printf("total %ld\n", total.load());
}

static void futures()
{
    auto text = std::async(std::launch::async, [] { return std::string("from another thread"); });
    auto error = std::async(std::launch::async, []() -> int { throw std::runtime_error("thrown there"); });
    std::packaged_task<int(int)> task([](int n) { return n * n; });
    auto square = task.get_future();
    std::thread t(std::move(task), 12);

    t.join();
    std::printf("%s, %d\n", text.get().c_str(), square.get());
    try {
        error.get();
    } catch (const std::exception &e) {
        std::printf("caught: %s\n", e.what());
    }
}

static void readers_and_writers()
{
    std::shared_mutex lock;
    std::once_flag once;
    std::vector<std::thread> threads;
    std::atomic<int> torn{ 0 }, calls{ 0 };
    long a = 0, b = 0;

    for (int i = 0; i < 4; i++)
        threads.emplace_back([&, i] {
            std::call_once(once, [&] { calls++; });
            for (int k = 0; k < 500; k++)
                if (i == 0) {
                    std::unique_lock<std::shared_mutex> guard(lock);
                    a++;
                    b++;
                } else {
                    std::shared_lock<std::shared_mutex> guard(lock);
                    torn += a != b;
                }
        });
    for (auto &t : threads)
        t.join();
    std::printf("%ld writes, %d torn, %d call\n", a, torn.load(), calls.load());
}

int main()
{
    sums();
    queue();
    futures();
    readers_and_writers();
    return 0;
}
