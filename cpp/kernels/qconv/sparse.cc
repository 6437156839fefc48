// u8 convolution by lists of non-zeros: two entries a step, whose rows of weights are interleaved on the way.
#include "kernels/qconv/requantize.h"

namespace zeroskip::ZS_ISA {
namespace {

template <int kBlocks>
inline void add_span(IntVec (&acc)[kBlocks * kVectorsPerBlock], const std::byte* record, int64_t capacity,
                     const int16_t* weights) {
  constexpr int kRowVectors = kBlocks * kVectorsPerBlock / 2;
  const int32_t steps = reinterpret_cast<const SpanHeader*>(record)->steps;
  const auto* values = reinterpret_cast<const int16_t*>(record + sizeof(SpanHeader));
  const auto* offsets = reinterpret_cast<const uint16_t*>(values + capacity);
  const auto* rows = reinterpret_cast<const std::byte*>(weights);
  for (int32_t step = 0; step < steps; ++step) {
    const auto* a = reinterpret_cast<const int16_t*>(rows + offsets[2 * step] * kOffsetBytes);
    const auto* b = reinterpret_cast<const int16_t*>(rows + offsets[2 * step + 1] * kOffsetBytes);
    const ShortVec pair = broadcast_pair(values + 2 * step);
#pragma GCC unroll 32
    for (int i = 0; i < kRowVectors; ++i) {
      ShortVec first = load_shorts(a + i * kShorts), second = load_shorts(b + i * kShorts);
      ZS_PIN(first);  // or each of the two that use it loads it again
      ZS_PIN(second);
      acc[2 * i] += multiply_pairs(interleave_low(first, second), pair);
      acc[2 * i + 1] += multiply_pairs(interleave_high(first, second), pair);
    }
  }
}

template <int kBlocks>
inline void qspconv(const QspconvArgs& args) {
  constexpr int kVectors = kBlocks * kVectorsPerBlock;
  const std::byte* const* lists = args.lists;
  for (int64_t pixel = 0; pixel < args.pixels; ++pixel, lists += args.spans) {
    int32_t* sums = args.acc + pixel * args.acc_stride;
    IntVec acc[kVectors];
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) acc[i] = load_ints((args.bias ? args.bias : sums) + kLanes * i);
    for (int64_t span = 0; span < args.spans; ++span)
      add_span<kBlocks>(acc, lists[span], args.capacity, args.weights + span * args.span_stride);
    if (!args.epilogue) {
#pragma GCC unroll 32
      for (int i = 0; i < kVectors; ++i) store_ints(sums + kLanes * i, acc[i]);
      continue;
    }
#pragma GCC unroll 32
    for (int block = 0; block < kBlocks; ++block) {
      IntVec part[kVectorsPerBlock];
#pragma GCC unroll 32
      for (int i = 0; i < kVectorsPerBlock; ++i) part[i] = acc[block * kVectorsPerBlock + i];
      requantize_block(part, *args.epilogue, pixel, block * 16);
    }
  }
}

}  // namespace

void u8_s8w_qspconv_ukernel_1x32(const QspconvArgs& args) { qspconv<2>(args); }
void u8_s8w_qspconv_ukernel_1x64(const QspconvArgs& args) { qspconv<4>(args); }

}  // namespace zeroskip::ZS_ISA
