// Parallel loops. The only header through which the rest of the core uses threads.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"

namespace zeroskip {

// Calls body(task, thread) for every task in [0, tasks), thread in [0, num_threads). Tasks are handed out
// dynamically, to even threads from the first one on, to odd ones from the last one back; body must not
// throw. With one thread or one task it runs inline.
template <typename Body>
void parallel_for(int num_threads, int64_t tasks, const Body& body) {
  if (num_threads <= 1 || tasks <= 1) {
    for (int64_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  const ThreadPool::Call call = [](const void* self, int64_t task, int thread) {
    (*static_cast<const Body*>(self))(task, thread);
  };
  ThreadPool::instance().run(num_threads, tasks, &body, call);
}

int available_cpus();  // of the process's affinity mask

}  // namespace zeroskip
