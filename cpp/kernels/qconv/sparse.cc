// u8 convolution by lists of non-zeros: two entries a step, whose rows of weights are interleaved on the way.
#include "kernels/qconv/requantize.h"

namespace zeroskip::ZS_ISA {
namespace {

// Each adds the products of a pair of values and two rows, `a` and `b`, of the weights of kBlocks blocks.
struct ExpandedRows {
  template <int kVectors>
  static void add(IntVec (&acc)[kVectors], ShortVec pair, const std::byte* a, const std::byte* b) {
#pragma GCC unroll 32
    for (int i = 0; i < kVectors / 2; ++i) {
      ShortVec first = load_shorts(reinterpret_cast<const int16_t*>(a) + i * kShorts);
      ShortVec second = load_shorts(reinterpret_cast<const int16_t*>(b) + i * kShorts);
      ZS_PIN(first);  // or each of the two that use it loads it again
      ZS_PIN(second);
      acc[2 * i] += multiply_pairs(interleave_low(first, second), pair);
      acc[2 * i + 1] += multiply_pairs(interleave_high(first, second), pair);
    }
  }
};

// For few pixels, where expanding all rows would take longer than what is done with those that are read.
struct SlabRows {
  template <int kVectors>
  static void add(IntVec (&acc)[kVectors], ShortVec pair, const std::byte* a, const std::byte* b) {
    constexpr int kPairs = kShorts / 2;  // of bytes, in a vector once they are widened
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) {
      constexpr int kAtOnce = kPairs < 16 ? kPairs : 16;
      const auto* from = reinterpret_cast<const int8_t*>(a) + i * kAtOnce;
      const auto* other = reinterpret_cast<const int8_t*>(b) + i * kAtOnce;
      alignas(32) int8_t pairs[2 * kAtOnce];
      const Bytes16 first = load_bytes(from), second = load_bytes(other);
      const Bytes16 low = interleave_low_bytes(first, second);
      std::memcpy(pairs, &low, 2 * kAtOnce < 16 ? 2 * kAtOnce : 16);
      if constexpr (kAtOnce == 16) {
        const Bytes16 high = interleave_high_bytes(first, second);
        std::memcpy(pairs + 16, &high, sizeof(high));
      }
      acc[i] += multiply_pairs(widen_bytes(pairs), pair);
    }
  }
};

template <typename Rows, int kVectors>
inline void add_span(IntVec (&acc)[kVectors], const std::byte* record, int64_t capacity,
                     const std::byte* rows) {
  const int32_t steps = reinterpret_cast<const SpanHeader*>(record)->steps;
  const auto* values = reinterpret_cast<const int16_t*>(record + sizeof(SpanHeader));
  const auto* offsets = reinterpret_cast<const uint16_t*>(values + capacity);
  for (int32_t step = 0; step < steps; ++step)
    Rows::add(acc, broadcast_pair(values + 2 * step), rows + offsets[2 * step] * kOffsetBytes,
              rows + offsets[2 * step + 1] * kOffsetBytes);
}

template <typename Rows, int kBlocks>
inline void qspconv(const QspconvArgs& args) {
  constexpr int kVectors = kBlocks * kVectorsPerBlock;
  const std::byte* const* lists = args.lists;
  for (int64_t pixel = 0; pixel < args.pixels; ++pixel, lists += args.spans) {
    int32_t* sums = args.acc + pixel * args.acc_stride;
    IntVec acc[kVectors];
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) acc[i] = load_ints((args.bias ? args.bias : sums) + kLanes * i);
    for (int64_t span = 0; span < args.spans; ++span)
      add_span<Rows>(acc, lists[span], args.capacity, args.weights + span * args.span_stride);
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

void u8_s8w_qspconv_ukernel_1x32(const QspconvArgs& args) { qspconv<ExpandedRows, 2>(args); }
void u8_s8w_qspconv_ukernel_1x64(const QspconvArgs& args) { qspconv<ExpandedRows, 4>(args); }
void u8_s8w_qrows_ukernel_1x16(const QspconvArgs& args) { qspconv<SlabRows, 1>(args); }
void u8_s8w_qrows_ukernel_1x64(const QspconvArgs& args) { qspconv<SlabRows, 4>(args); }

}  // namespace zeroskip::ZS_ISA
