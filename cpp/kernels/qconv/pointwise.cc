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

// sums += x[a] * weight[0] + x[b] * weight[1] for a block of channels.
inline void add_tap_pair(BlockInts& sums, const uint8_t* a, const uint8_t* b, const int16_t* weights) {
  const Bytes16 first = load_bytes(reinterpret_cast<const int8_t*>(a));
  const Bytes16 second = load_bytes(reinterpret_cast<const int8_t*>(b));
  alignas(32) uint8_t pairs[32];
  const Bytes16 low = interleave_low_bytes(first, second), high = interleave_high_bytes(first, second);
  std::memcpy(pairs, &low, sizeof(low));
  std::memcpy(pairs + 16, &high, sizeof(high));
#pragma GCC unroll 4
  for (int i = 0; i < kVectorsPerBlock; ++i)
    sums.parts[i] += multiply_pairs(widen_bytes(pairs + i * kShorts), load_shorts(weights + i * kShorts));
}

}  // namespace

void u8_s8w_qdwconv(const QdwconvArgs& args) {
  const uint8_t* taps[kMostDepthwiseTaps + 1];
  const int64_t count = args.kernel_h * args.kernel_w;
  for (int64_t pixel = 0; pixel < args.pixels; ++pixel) {
    const uint8_t** tap = taps;
    for (int64_t ky = 0; ky < args.kernel_h; ++ky)
      for (int64_t kx = 0; kx < args.kernel_w; ++kx) {
        const int64_t iy = args.first_row + ky * args.dilation_h;
        const int64_t ix = pixel * args.stride_w - args.pad_left + kx * args.dilation_w;
        const bool is_inside = iy >= 0 && iy < args.in_h && ix >= 0 && ix < args.in_w;
        *tap++ = is_inside ? args.x + (iy * args.in_w + ix) * args.x_stride : args.outside;
      }
    *tap = args.outside;  // of an odd count, times zero
    for (int64_t block = 0; block < args.blocks; ++block) {
      const int64_t channel = block * 16;
      BlockInts sums;
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i) sums.parts[i] = load_ints(args.bias + channel + i * kLanes);
      const int16_t* weights = args.weights + 2 * channel;
      for (int64_t t = 0; t < count; t += 2, weights += args.pair_stride)
        add_tap_pair(sums, taps[t] + channel, taps[t + 1] + channel, weights);
      requantize_block(sums.parts, args.epilogue, pixel, channel);
    }
  }
}

void u8_qadd(const QaddArgs& args) {
  for (int64_t pixel = 0; pixel < args.pixels; ++pixel)
    for (int64_t block = 0; block < args.blocks; ++block) {
      BlockInts sums = load_block(args.x + pixel * args.x_stride + block * 16);
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i) sums.parts[i] -= static_cast<int32_t>(args.zero_point);
      requantize_block(sums.parts, args.epilogue, pixel, block * 16);
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
