// What the machine can do at best, as a yardstick for what kernels reach.
#pragma once

#include "kernels/registry.h"

namespace zeroskip {

// Float32 multiply-accumulates that num_threads (>= 1) threads together complete in a millisecond, out of
// registers, with the vectors of `isa`: the best of a few short trials. Takes about 10 ms.
double peak_macs_per_ms(Isa isa, int num_threads);

}  // namespace zeroskip
