// The dense tile of u8 convolutions by bytes: quads in an order that tells how far their products reach.
#include "kernels/common/register_tile.h"
#include "kernels/qconv/requantize.h"

namespace zeroskip::ZS_ISA {
namespace {

// Beside the sums: the weights of two quads, their activations, two sums of products and ones.
constexpr int kAtOnce =
    std::clamp((kRegisters - 2 * kVectorsPerBlock - 5) / kVectorsPerBlock, 1, static_cast<int>(kQconvPixels));

inline IntVec add_neighbours(ShortVec sums) { return multiply_pairs(sums, ShortVec{} + int16_t{1}); }

template <int kPixels>
struct ByteTile {
  IntVec acc[kPixels][kVectorsPerBlock];
  const uint8_t* x[kPixels];

  ByteVec broadcast(int pixel, uint16_t channel) const { return broadcast_quad(x[pixel] + channel); }

  // Two quads whose sums of products lie within 16 bits together.
  void add_two(const uint16_t* channels, const std::byte* weights) {
    ByteVec a[kVectorsPerBlock], b[kVectorsPerBlock];
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i) {
      a[i] = load_row(weights + i * sizeof(ByteVec));
      b[i] = load_row(weights + 64 + i * sizeof(ByteVec));
    }
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) {
      const ByteVec first = broadcast(p, channels[0]), second = broadcast(p, channels[1]);
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i)
        acc[p][i] += add_neighbours(multiply_bytes(first, a[i]) + multiply_bytes(second, b[i]));
    }
  }

  void add_one(uint16_t channel, const std::byte* weights) {
    ByteVec weight[kVectorsPerBlock];
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i) weight[i] = load_row(weights + i * sizeof(ByteVec));
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) {
      const ByteVec value = broadcast(p, channel);
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i)
        acc[p][i] += add_neighbours(multiply_bytes(value, weight[i]));
    }
  }

  void add_wide(uint16_t channel, const std::byte* weights) {
    ShortVec even[kVectorsPerBlock], odd[kVectorsPerBlock];
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i) {
      even[i] = load_shorts(reinterpret_cast<const int16_t*>(weights + i * sizeof(ByteVec)));
      odd[i] = load_shorts(reinterpret_cast<const int16_t*>(weights + 64 + i * sizeof(ByteVec)));
    }
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) {
      const ByteVec value = broadcast(p, channel);
      const ShortVec low = even_bytes(value), high = odd_bytes(value);
#pragma GCC unroll 4
      for (int i = 0; i < kVectorsPerBlock; ++i)
        acc[p][i] += multiply_pairs(low, even[i]) + multiply_pairs(high, odd[i]);
    }
  }
};

// Not inlined: GCC keeps accumulators in memory where several tiles share a function.
template <int kPixels>
[[gnu::noinline]] void qdconv_bytes_tile(const QdbytesArgs& args, int64_t first) {
  ByteTile<kPixels> tile;
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i)
      tile.acc[p][i] =
          load_ints((args.bias ? args.bias : args.acc + (first + p) * args.acc_stride) + kLanes * i);
  const std::byte *weights = args.weights, *order = args.orders;
  const uint8_t* const* pixels =
      args.pixels + first / kQconvPixels * args.group_stride + first % kQconvPixels;
  for (int64_t tap = 0; tap < args.taps; ++tap, pixels += kQconvPixels, order += args.order_stride) {
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) tile.x[p] = pixels[p];
    const auto header = *reinterpret_cast<const QuadOrderHeader*>(order);
    const auto* channel = reinterpret_cast<const uint16_t*>(order + sizeof(header));
    for (const uint16_t* end = channel + 2 * header.twos; channel != end; channel += 2, weights += 128)
      tile.add_two(channel, weights);
    for (const uint16_t* end = channel + header.ones; channel != end; ++channel, weights += 64)
      tile.add_one(*channel, weights);
    for (const uint16_t* end = channel + header.wide; channel != end; ++channel, weights += 128)
      tile.add_wide(*channel, weights);
  }
  // A copy, which no store to y can change.
  const RequantizeArgs epilogue = args.epilogue ? *args.epilogue : RequantizeArgs{};
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p) {
    if (args.epilogue) {
      requantize_block(tile.acc[p], epilogue, first + p, 0);
      continue;
    }
#pragma GCC unroll 4
    for (int i = 0; i < kVectorsPerBlock; ++i)
      store_ints(args.acc + (first + p) * args.acc_stride + kLanes * i, tile.acc[p][i]);
  }
}

}  // namespace

void u8_s8w_qdconv_bytes_ukernel_12x16(const QdbytesArgs& args) {
  for (int64_t group = 0; group < args.count; group += kQconvPixels)
    for_each_register_tile<kAtOnce>(
        std::min(kQconvPixels, args.count - group),
        [&]<int kPixels>(int64_t first) { qdconv_bytes_tile<kPixels>(args, group + first); });
}

}  // namespace zeroskip::ZS_ISA
