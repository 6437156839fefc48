// Which thread worked on which task when, for as long as somebody watches; while nobody does, a task costs one relaxed load
// more. Only loops that go by the pool are seen: with one thread there is nothing to see.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

namespace zeroskip {

struct TaskSpan {
  int thread;
  int64_t begin_ns, end_ns;  // by the steady clock
};

class TaskTrace {
 public:
  static bool is_on() { return g_on.load(std::memory_order_relaxed); }
  static int64_t now_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  }

  // Begins to watch; false where somebody does already.
  static bool start();
  // Ends it and returns what was seen. What was added last may miss if more than kMost tasks ran.
  static std::vector<TaskSpan> stop();
  static void add(int thread, int64_t begin_ns, int64_t end_ns);

  static constexpr size_t kMost = 4096;

 private:
  static std::atomic<bool> g_on;
};

}  // namespace zeroskip
