// Dense tiles of pixels whose accumulators stay in registers.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/simd.h"

namespace zeroskip::ZS_ISA {

// Pixels whose accumulators fit the registers together with one row of weights and a broadcast value, at most `most`.
template <int kVectors>
constexpr int pixels_in_registers(int64_t most) {
  return std::clamp((kRegisters - kVectors - 1) / kVectors, 1, static_cast<int>(most));
}

// Calls visit.operator()<pixels>(first) for tiles of kAtOnce pixels, and for what is left in tiles of halves: of 5 pixels 4
// and 1.
template <int kAtOnce, typename Visit>
inline void for_each_register_tile(int64_t count, const Visit& visit) {
  int64_t first = 0;
  for (; count - first >= kAtOnce; first += kAtOnce) visit.template operator()<kAtOnce>(first);
  while (first < count) {
    const int64_t left = count - first;
    if (left >= 4 && kAtOnce > 4) {
      visit.template operator()<4>(first), first += 4;
    } else if (left >= 2 && kAtOnce > 2) {
      visit.template operator()<2>(first), first += 2;
    } else {
      visit.template operator()<1>(first), first += 1;
    }
  }
}

}  // namespace zeroskip::ZS_ISA
