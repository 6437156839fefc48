#include "base/task_trace.h"

#include <algorithm>
#include <array>

namespace zeroskip {
namespace {

// No lock: a fork in its midst would leave the child with one that nobody opens. Tasks of other sessions may be added at any
// time, so every field is atomic.
struct Slot {
  std::atomic<int> thread;
  std::atomic<int64_t> begin_ns, end_ns;
};
std::array<Slot, TaskTrace::kMost> g_slots;
std::atomic<size_t> g_count{0};
std::atomic<bool> g_taken{false};

}  // namespace

std::atomic<bool> TaskTrace::g_on{false};

bool TaskTrace::start() {
  if (g_taken.exchange(true)) return false;
  g_count.store(0);
  g_on.store(true);
  return true;
}

void TaskTrace::add(int thread, int64_t begin_ns, int64_t end_ns) {
  const size_t place = g_count.fetch_add(1);
  if (place >= kMost) return;
  Slot& slot = g_slots[place];
  slot.thread.store(thread, std::memory_order_relaxed);
  slot.begin_ns.store(begin_ns, std::memory_order_relaxed);
  slot.end_ns.store(end_ns, std::memory_order_relaxed);
}

std::vector<TaskSpan> TaskTrace::stop() {
  g_on.store(false);
  std::vector<TaskSpan> spans(std::min(g_count.load(), kMost));
  for (size_t i = 0; i < spans.size(); ++i)
    spans[i] = {g_slots[i].thread.load(std::memory_order_relaxed),
                g_slots[i].begin_ns.load(std::memory_order_relaxed),
                g_slots[i].end_ns.load(std::memory_order_relaxed)};
  g_taken.store(false);
  return spans;
}

}  // namespace zeroskip
