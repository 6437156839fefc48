// Kernels that compute nothing of use: they measure what a core can do at best.
#pragma once

#include <cstdint>

namespace zeroskip {

// kProbeFmas multiply-accumulates per round, independent of each other, from registers alone. Returns a value
// that depends on all of them, so that none is optimised away.
using FmaProbeFn = float (*)(int64_t rounds);

// 12 accumulators hide the latency of two FMA units of 4 to 5 cycles; 16 lanes each, on any instruction set.
inline constexpr int64_t kProbeFmas = 12 * 16;

}  // namespace zeroskip
