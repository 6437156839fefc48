#include "runtime/peak.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/threads.h"

namespace zeroskip {
namespace {

constexpr int kTrials = 10;
constexpr int64_t kTasksPerThread = 16;    // so that a thread that starts late takes fewer of them
constexpr int64_t kRoundsPerTask = 10000;  // about 0.1 ms

}  // namespace

double peak_macs_per_ms(Isa isa, int num_threads) {
  check(num_threads >= 1, "num_threads is ", num_threads, ", needs at least 1");
  using Clock = std::chrono::steady_clock;
  const FmaProbeFn probe = kernel_table(isa).f32_fma_probe;
  const int64_t tasks = kTasksPerThread * num_threads;
  double best = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto start = Clock::now();
    parallel_for(num_threads, tasks, [&](int64_t, int) {
      volatile float sink = probe(kRoundsPerTask);
      (void)sink;
    });
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    best = std::max(best, static_cast<double>(tasks * kRoundsPerTask * kProbeFmas) / ms);
  }
  return best;
}

}  // namespace zeroskip
