#include "base/threads.h"

#if defined(__linux__)
#include <sched.h>
#else
#include <thread>
#endif

namespace zeroskip {

int available_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return CPU_COUNT(&set);
#else
  const unsigned cpus = std::thread::hardware_concurrency();
  return cpus > 0 ? static_cast<int>(cpus) : 1;
#endif
}

}  // namespace zeroskip
