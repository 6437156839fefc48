// Depthwise convolution, addition and sums of u8.
#include "kernels/qconv/pointwise.h"

#include "kernels/qconv/requantize.h"

namespace zeroskip::ZS_ISA {
namespace {

// 16 bytes as 32-bit integers.
struct BlockInts {
  IntVec parts[kVectorsPerBlock];
};

inline BlockInts load_block(const uint8_t* p) {
  BlockInts block;
#pragma GCC unroll 4
  for (int i = 0; i < kVectorsPerBlock; ++i) block.parts[i] = widen_to_ints(p + i * kLanes);
  return block;
}

// sums += a * weights[0] + b * weights[1] for a block of channels.
inline void add_tap_pair(BlockInts& sums, const uint8_t* a, const uint8_t* b, const int16_t* weights) {
  const Bytes16 first = load_bytes(reinterpret_cast<const int8_t*>(a));
  const Bytes16 second = load_bytes(reinterpret_cast<const int8_t*>(b));
  const Bytes16 low = interleave_low_bytes(first, second), high = interleave_high_bytes(first, second);
#if ZS_LANES == 8  // through memory, as below, every pair of taps would wait for its bytes to get there
  const __m128i halves[2] = {reinterpret_cast<__m128i>(low), reinterpret_cast<__m128i>(high)};
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i)
    sums.parts[i] += multiply_pairs(reinterpret_cast<ShortVec>(_mm256_cvtepu8_epi16(halves[i])),
                                    load_shorts(weights + i * kShorts));
#else
  alignas(32) uint8_t pairs[32];
  std::memcpy(pairs, &low, sizeof(low));
  std::memcpy(pairs + 16, &high, sizeof(high));
#pragma GCC unroll 4
  for (int i = 0; i < kVectorsPerBlock; ++i)
    sums.parts[i] += multiply_pairs(widen_bytes(pairs + i * kShorts), load_shorts(weights + i * kShorts));
#endif
}

// The taps of an output pixel: where its window lies inside the image they are a step behind those of the last pixel.
class Taps {
 public:
  explicit Taps(const QdwconvArgs& args)
      : args_(args), count_(args.kernel_h * args.kernel_w), reach_((args.kernel_w - 1) * args.dilation_w) {
    at_[count_] = args.outside;  // of an odd count, times zero
  }

  int64_t pairs() const { return (count_ + 1) / 2; }
  const uint8_t* const* of(int64_t pixel) {
    const int64_t column = pixel * args_.stride_w - args_.pad_left;
    const bool is_inside = column >= 0 && column + reach_ < args_.in_w;
    if (is_inside && was_inside_)
      for (int64_t tap = 0; tap < count_; ++tap) at_[tap] += step_[tap];
    else
      point(column);
    was_inside_ = is_inside;
    return at_;
  }

 private:
  void point(int64_t column) {
    for (int64_t tap = 0; tap < count_; ++tap) {
      const int64_t iy = args_.first_row + tap / args_.kernel_w * args_.dilation_h;
      const int64_t ix = column + tap % args_.kernel_w * args_.dilation_w;
      const bool has_row = iy >= 0 && iy < args_.in_h, is_inside = has_row && ix >= 0 && ix < args_.in_w;
      at_[tap] = is_inside ? args_.x + (iy * args_.in_w + ix) * args_.x_stride : args_.outside;
      step_[tap] = has_row ? args_.stride_w * args_.x_stride : 0;
    }
  }

  const QdwconvArgs& args_;
  int64_t count_, reach_;
  bool was_inside_ = false;
  const uint8_t* at_[kMostDepthwiseTaps + 1];
  int64_t step_[kMostDepthwiseTaps];
};

// kPairs of taps, any number if 0.
template <int kPairs>
inline void qdwconv(const QdwconvArgs& args, Taps& taps) {
  const RequantizeArgs epilogue = args.epilogue;  // a copy, which no store to y can change
  const int64_t pairs = kPairs ? kPairs : taps.pairs();
  for (int64_t pixel = 0; pixel < args.pixels; ++pixel) {
    const uint8_t* const* at = taps.of(pixel);
    for (int64_t channel = 0; channel < args.blocks * 16; channel += 16) {
      BlockInts sums;
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i) sums.parts[i] = load_ints(args.bias + channel + i * kLanes);
      const int16_t* weights = args.weights + 2 * channel;
#pragma GCC unroll 8
      for (int64_t pair = 0; pair < pairs; ++pair, weights += args.pair_stride)
        add_tap_pair(sums, at[2 * pair] + channel, at[2 * pair + 1] + channel, weights);
      requantize_block(sums.parts, epilogue, pixel, channel);
    }
    uint8_t* behind = epilogue.y + pixel * epilogue.y_stride + args.blocks * 16;
    for (int64_t block = 0; block < args.padding; ++block) std::memset(behind + block * 16, 0, 16);
  }
}

}  // namespace

void u8_s8w_qdwconv(const QdwconvArgs& args) {
  Taps taps(args);
  if (taps.pairs() == 5)  // of 3x3
    qdwconv<5>(args, taps);
  else
    qdwconv<0>(args, taps);
}

void u8_qadd(const QaddArgs& args) {
  const RequantizeArgs epilogue = args.epilogue;  // a copy, as above
  for (int64_t pixel = 0; pixel < args.pixels; ++pixel)
    for (int64_t block = 0; block < args.blocks; ++block) {
      BlockInts sums = load_block(args.x + pixel * args.x_stride + block * 16);
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i) sums.parts[i] -= static_cast<int32_t>(args.zero_point);
      requantize_block(sums.parts, epilogue, pixel, block * 16);
    }
}

void u8_qsum(const QsumArgs& args) {
  for (int64_t block = 0; block < args.blocks; ++block) {
    BlockInts sums{};
    for (int64_t pixel = 0; pixel < args.pixels; ++pixel) {
      const BlockInts values = load_block(args.x + pixel * args.x_stride + block * 16);
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i) sums.parts[i] += values.parts[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i)
      sums.parts[i] -= static_cast<int32_t>(args.zero_point * args.pixels);
    requantize_block(sums.parts, args.epilogue, 0, block * 16);
  }
}

}  // namespace zeroskip::ZS_ISA
