// bf16 convolution by lists of non-zeros: two entries a step, whose rows of weights are interleaved on the way.
#include "kernels/bconv/finish.h"

namespace zeroskip::ZS_ISA {
namespace {

template <int kVectors>
struct StepWeights {
  ShortVec v[kVectors];
};

// The rows of one step's two entries.
template <int kVectors>
inline StepWeights<kVectors> gather_rows(const std::byte* rows, const uint16_t* offsets) {
  const auto* a = reinterpret_cast<const int16_t*>(rows + offsets[0]);
  const auto* b = reinterpret_cast<const int16_t*>(rows + offsets[1]);
  StepWeights<kVectors> weights;
#pragma GCC unroll 32
  for (int i = 0; i < kVectors / 2; ++i) {
    ShortVec first = load_shorts(a + i * kShorts), second = load_shorts(b + i * kShorts);
    ZS_PIN(first);
    ZS_PIN(second);
    weights.v[2 * i] = interleave_low(first, second);
    weights.v[2 * i + 1] = interleave_high(first, second);
  }
  return weights;
}

template <int kVectors>
inline void finish_or_store(const BspconvArgs& args, int64_t pixel, const Vec (&acc)[kVectors]) {
  if (args.epilogue) return finish_bf16<kVectors>(*args.epilogue, pixel, acc);
#pragma GCC unroll 32
  for (int i = 0; i < kVectors; ++i) store(args.acc + pixel * args.acc_stride + kLanes * i, acc[i]);
}

// Accumulators are local and every loop over them is unrolled: handed to a function by reference GCC 12 keeps them in memory.
template <int kOutputs>
inline void bspconv(const BspconvArgs& args) {
  constexpr int kVectors = kOutputs / kLanes;
  const std::byte* const* lists = args.lists;
  for (int64_t pixel = 0; pixel < args.pixels; pixel += 2, lists += args.spans) {
    const bool has_second = pixel + 1 < args.pixels;
    const float* start = args.bias ? args.bias : args.acc + pixel * args.acc_stride;
    const float* other_start = args.bias ? args.bias : start + args.acc_stride;
    Vec acc[kVectors], other[kVectors];
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) {
      acc[i] = load(start + kLanes * i);
      other[i] = load(other_start + kLanes * i);
    }
    const auto* rows = reinterpret_cast<const std::byte*>(args.weights);
    for (int64_t span = 0; span < args.spans; ++span, rows += args.span_stride * 2) {
      const auto* header = reinterpret_cast<const PairHeader*>(lists[span]);
      const auto* offsets = reinterpret_cast<const uint16_t*>(header + 1);
      const int64_t both = 2 * header->both, first = 2 * header->first, second = 2 * header->second;
      const auto* values = reinterpret_cast<const int16_t*>(offsets + both);
      for (int64_t k = 0; k < both; k += 2) {
        const StepWeights<kVectors> weights = gather_rows<kVectors>(rows, offsets + k);
        const ShortVec value = broadcast_pair(values + k), other_value = broadcast_pair(values + both + k);
#pragma GCC unroll 32
        for (int i = 0; i < kVectors; ++i) {
          ZS_ADD_PAIRS(acc[i], value, weights.v[i]);
          ZS_ADD_PAIRS(other[i], other_value, weights.v[i]);
        }
      }
      offsets += 3 * both, values = reinterpret_cast<const int16_t*>(offsets + first);
      for (int64_t k = 0; k < first; k += 2) {
        const StepWeights<kVectors> weights = gather_rows<kVectors>(rows, offsets + k);
        const ShortVec value = broadcast_pair(values + k);
#pragma GCC unroll 32
        for (int i = 0; i < kVectors; ++i) ZS_ADD_PAIRS(acc[i], value, weights.v[i]);
      }
      if (!has_second) continue;
      offsets += 2 * first, values = reinterpret_cast<const int16_t*>(offsets + second);
      for (int64_t k = 0; k < second; k += 2) {
        const StepWeights<kVectors> weights = gather_rows<kVectors>(rows, offsets + k);
        const ShortVec value = broadcast_pair(values + k);
#pragma GCC unroll 32
        for (int i = 0; i < kVectors; ++i) ZS_ADD_PAIRS(other[i], value, weights.v[i]);
      }
    }
    finish_or_store<kVectors>(args, pixel, acc);
    if (has_second || !args.epilogue) finish_or_store<kVectors>(args, pixel + 1, other);
  }
}

}  // namespace

void bf16_bspconv_ukernel_2x32(const BspconvArgs& args) { bspconv<32>(args); }
void bf16_bspconv_ukernel_2x64(const BspconvArgs& args) { bspconv<64>(args); }

}  // namespace zeroskip::ZS_ISA
