#include "kernels/common/simd.h"
#include "kernels/probe/probe.h"

namespace zeroskip::ZS_ISA {

float f32_fma_probe(int64_t rounds) {
  constexpr int kAccumulators = 12;
  constexpr int64_t kLanesPerRound = kAccumulators * kLanes;
  Vec acc[kAccumulators] = {};
  Vec x = broadcast(0.5f), y = broadcast(1.0f);  // acc -> 2: no denormals, no overflow
  ZS_PIN(x);
  ZS_PIN(y);
  for (int64_t i = 0; i < rounds * (kProbeFmas / kLanesPerRound); ++i) {
#pragma GCC unroll 16
    for (int a = 0; a < kAccumulators; ++a) {
      acc[a] = acc[a] * x + y;
      ZS_PIN(acc[a]);  // keeps the compiler from folding rounds together
    }
  }
  Vec sum = acc[0];
#pragma GCC unroll 16  // or the compiler keeps all of acc in memory, also in the loop above
  for (int a = 1; a < kAccumulators; ++a) sum += acc[a];
  return sum[0];
}

}  // namespace zeroskip::ZS_ISA
