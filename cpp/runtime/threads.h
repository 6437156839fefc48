// Parallel loops. The only file (with its .cc) that knows which threading library is in use.
#pragma once

#include <cstdint>

namespace zeroskip {

void parallel_for_erased(int num_threads, int64_t tasks, const void* body,
                         void (*call)(const void*, int64_t, int));

// Calls body(task, thread) for every task in [0, tasks), thread in [0, num_threads). Tasks are handed out
// dynamically, in order; body must not throw. With one thread or one task it runs inline.
template <typename Body>
void parallel_for(int num_threads, int64_t tasks, const Body& body) {
  if (num_threads <= 1 || tasks <= 1) {
    for (int64_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  using Erased = void (*)(const void*, int64_t, int);
  const Erased erased = [](const void* self, int64_t task, int thread) {
    (*static_cast<const Body*>(self))(task, thread);
  };
  parallel_for_erased(num_threads, tasks, &body, erased);
}

int available_cpus();  // of the process's affinity mask

}  // namespace zeroskip
