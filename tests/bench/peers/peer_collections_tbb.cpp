// The collections of oneTBB under the load of cli/bench_workload.h.
//
//   peer_collections_tbb dict|set|queue|list THREADS OPERATIONS      prints {"ns": nanoseconds for an operation}
//
// list: a std::vector behind a std::mutex, which is what people write.
#include <tbb/concurrent_hash_map.h>
#include <tbb/concurrent_queue.h>
#include <tbb/concurrent_unordered_set.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cli/bench_workload.h"

namespace {

std::atomic<uint64_t> pushed, popped;

struct Dict {
    tbb::concurrent_hash_map<int64_t, int64_t> map;

    Dict()
    {
        for (int64_t key = 0; key < WORKLOAD_KEYS; key += 2)
            map.insert({key, key});
    }
    void run(int thread, int64_t operations)
    {
        workload w = workload_start(thread);
        uint64_t sum = 0;
        int64_t key;
        for (int64_t i = 0; i < operations; i++)
            switch (workload_pick(&w, &key)) {
            case WORKLOAD_READ: {
                decltype(map)::const_accessor found;
                if (map.find(found, key))
                    sum += static_cast<uint64_t>(found->second);
                break;
            }
            case WORKLOAD_WRITE: {
                decltype(map)::accessor found;
                map.insert(found, key);
                found->second = key;
                break;
            }
            case WORKLOAD_DELETE:
                map.erase(key);
            }
        pushed += sum;
    }
};

// concurrent_unordered_set cannot delete while others use it: it adds instead.
struct Set {
    tbb::concurrent_unordered_set<int64_t> set;

    void run(int thread, int64_t operations)
    {
        workload w = workload_start(thread);
        uint64_t sum = 0;
        int64_t key;
        for (int64_t i = 0; i < operations; i++)
            if (workload_pick(&w, &key) == WORKLOAD_READ)
                sum += set.count(key);
            else
                sum += set.insert(key).second;
        pushed += sum;
    }
};

struct Queue {
    tbb::concurrent_bounded_queue<int64_t> queue;

    Queue() { queue.set_capacity(WORKLOAD_QUEUE); }
    void run(int thread, int64_t operations)
    {
        uint64_t in = 0, out = 0;
        for (int64_t i = 0; i < operations; i += 2) {
            int64_t value = i * 16 + thread;
            if (queue.try_push(value))
                in += static_cast<uint64_t>(value);
            if (queue.try_pop(value))
                out += static_cast<uint64_t>(value);
        }
        pushed += in;
        popped += out;
    }
};

struct List {
    std::vector<int64_t> list;
    std::mutex lock;

    void run(int, int64_t operations)
    {
        uint64_t sum = 0;
        for (int64_t i = 0; i < operations; i += 3) {
            size_t at;
            {
                std::lock_guard<std::mutex> hold(lock);
                at = list.size();
                list.push_back(i);
            }
            for (size_t index : {at, at / 2}) {
                std::lock_guard<std::mutex> hold(lock);
                sum += static_cast<uint64_t>(list[index]);
            }
        }
        pushed += sum;
    }
};

template <class Structure> double measure(int threads, int64_t operations)
{
    Structure structure;
    std::vector<std::thread> running;
    auto from = std::chrono::steady_clock::now();
    for (int i = 0; i < threads; i++)
        running.emplace_back([&structure, i, operations] { structure.run(i, operations); });
    for (std::thread &thread : running)
        thread.join();
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - from;
    return took.count() / (static_cast<double>(operations) * threads);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const std::string what = argv[1];
    const int threads = std::atoi(argv[2]);
    const int64_t operations = std::atoll(argv[3]);
    double ns = what == "dict"    ? measure<Dict>(threads, operations)
                : what == "set"   ? measure<Set>(threads, operations)
                : what == "queue" ? measure<Queue>(threads, operations)
                                  : measure<List>(threads, operations);
    std::printf("{\"ns\":%g}\n", ns);
    return 0;
}
