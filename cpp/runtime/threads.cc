#include "runtime/threads.h"

#include <omp.h>
#include <sched.h>

#include "runtime/fp_mode.h"

namespace zeroskip {

void parallel_for_erased(int num_threads, int64_t tasks, const void* body,
                         void (*call)(const void*, int64_t, int)) {
  // Always the full team: libgomp ends the threads that a smaller team leaves over and must create them
  // again.
#pragma omp parallel num_threads(num_threads)
  {
    const FlushDenormals flush;
    const int thread = omp_get_thread_num();
#pragma omp for schedule(dynamic, 1) nowait
    for (int64_t task = 0; task < tasks; ++task) call(body, task, thread);
  }
}

int available_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return CPU_COUNT(&set);
}

}  // namespace zeroskip
