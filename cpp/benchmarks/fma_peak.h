// The multiply-accumulate rate of one core with the vectors of an instruction set: what kernels are measured
// against. Each function carries its instruction set itself, so that this file needs no special flags.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "kernels/registry.h"

namespace zeroskip::benchmark {

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Floating-point operations of `rounds` rounds of 12 independent multiply-adds on vectors of `lanes` floats.
#define ZS_FMA_ROUNDS(name, lanes, attribute)                                                        \
  attribute inline double name(int64_t rounds) {                                                     \
    using Vec = float __attribute__((vector_size(lanes * 4)));                                       \
    Vec sums[12], factor = Vec{} + 0.999f;                                                           \
    for (int i = 0; i < 12; ++i) sums[i] = Vec{} + float(i);                                         \
    for (int64_t round = 0; round < rounds; ++round) {                                               \
      _Pragma("GCC unroll 12") for (int i = 0; i < 12; ++i) { sums[i] = sums[i] * factor + factor; } \
    }                                                                                                \
    float total = 0;                                                                                 \
    for (const Vec& sum : sums) total += sum[0];                                                     \
    volatile float sink = total;                                                                     \
    (void)sink;                                                                                      \
    return 2.0 * lanes * 12 * static_cast<double>(rounds);                                           \
  }
#if defined(__x86_64__)
ZS_FMA_ROUNDS(fma_rounds_avx512, 16, __attribute__((target("avx512f,fma"), optimize("fp-contract=fast"))))
ZS_FMA_ROUNDS(fma_rounds_avx2, 8, __attribute__((target("avx2,fma"), optimize("fp-contract=fast"))))
#endif
ZS_FMA_ROUNDS(fma_rounds_generic, 4, )
#undef ZS_FMA_ROUNDS

// GFLOP/s, the best of several short runs: the others were disturbed.
inline double fma_peak(Isa isa) {
  auto* rounds = fma_rounds_generic;
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) rounds = fma_rounds_avx512;
  if (isa == Isa::kAvx2) rounds = fma_rounds_avx2;
#endif
  (void)isa;
  double best = 0;
  for (int run = 0; run < 20; ++run) {
    const double start = seconds_now(), flops = rounds(200'000);
    best = std::max(best, flops / (seconds_now() - start) / 1e9);
  }
  return best;
}

}  // namespace zeroskip::benchmark
