#include <algorithm>

#include "kernels/common/simd.h"
#include "kernels/spconv/spconv.h"
#include "kernels/winograd/winograd.h"

namespace zeroskip::ZS_ISA {
namespace {

// Outputs held at once: all 64 where 6 tiles of them fit the registers.
constexpr int kVectors = std::clamp(64 / kLanes, 1, kRegisters / 8);
constexpr int kTiles = (kRegisters - kVectors - 1) / kVectors;
constexpr int64_t kPrefetchRows = 8;

template <int kCount>
inline void gemm_tiles(const WinogradGemmArgs& args, int64_t first, int64_t output, const float* next_u) {
  Vec acc[kCount][kVectors] = {};
  const float* v[kCount];
#pragma GCC unroll 8
  for (int t = 0; t < kCount; ++t) v[t] = args.v + (first + t) * args.v_stride;
  const float* row = args.u + output;
  for (int64_t k = 0; k < args.channels; ++k, row += kSlab) {
    Vec weight[kVectors];
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) weight[i] = load(row + kLanes * i);
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; i += std::min(kVectors, kVectorsPerBlock))
      __builtin_prefetch(row + kPrefetchRows * kSlab + kLanes * i);
    __builtin_prefetch(next_u + k * 16, 0, 2);
#pragma GCC unroll 8
    for (int t = 0; t < kCount; ++t) {
      const Vec value = broadcast(v[t][k]);
#pragma GCC unroll 8
      for (int i = 0; i < kVectors; ++i) acc[t][i] += value * weight[i];
    }
  }
  float* m = args.m + first * args.m_stride + output;
#pragma GCC unroll 8
  for (int t = 0; t < kCount; ++t)
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) store(m + t * args.m_stride + kLanes * i, acc[t][i]);
}

template <int kCount>
inline void gemm_exactly(const WinogradGemmArgs& args, int64_t count, int64_t first, int64_t output,
                         const float* next_u) {
  if constexpr (kCount > 0) {
    if (count == kCount)
      gemm_tiles<kCount>(args, first, output, next_u);
    else
      gemm_exactly<kCount - 1>(args, count, first, output, next_u);
  }
}

}  // namespace

void f32_winograd_gemm_ukernel(const WinogradGemmArgs& args) {
  // Runs of nearly equal length: a lone last tile would take as long as several.
  const int64_t runs = (args.tiles + kTiles - 1) / kTiles;
  for (int64_t run = 0; run < runs; ++run) {
    const int64_t first = run * args.tiles / runs, last = (run + 1) * args.tiles / runs;
    const float* next_u = args.next_u ? args.next_u + run * args.channels * 16 : args.u;
    for (int64_t output = 0; output < kSlab; output += kVectors * kLanes)
      gemm_exactly<kTiles>(args, last - first, first, output, next_u);
  }
}

}  // namespace zeroskip::ZS_ISA
