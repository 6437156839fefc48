#include "base/threads.h"

#include <sched.h>

namespace zeroskip {

int available_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return CPU_COUNT(&set);
}

}  // namespace zeroskip
