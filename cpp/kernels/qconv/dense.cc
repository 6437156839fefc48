// The dense tile of u8 convolutions: products of pairs or quads of channels, accumulators in registers.
#include "kernels/common/quad_simd.h"
#include "kernels/common/register_tile.h"
#include "kernels/qconv/requantize.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int64_t kRowBytes = 64;  // of the weights of one product of a block

// x - zero_point in 16 bits, two channels a product.
struct Pairs {
  static constexpr int64_t kChannels = 2;
  static ShortVec broadcast(const std::byte* x, int64_t product) {
    return broadcast_pair(reinterpret_cast<const int16_t*>(x) + 2 * product);
  }
  static ShortVec load(const std::byte* weights) {
    return load_shorts(reinterpret_cast<const int16_t*>(weights));
  }
  static void add(IntVec& sums, ShortVec x, ShortVec w) { sums += multiply_pairs(x, w); }
};

// x in 8 bits, four channels a product.
struct Quads {
  static constexpr int64_t kChannels = 4;
  static ByteVec broadcast(const std::byte* x, int64_t product) {
    return broadcast_quad(reinterpret_cast<const uint8_t*>(x) + 4 * product);
  }
  static ByteVec load(const std::byte* weights) { return load_row(weights); }
  static void add(IntVec& sums, ByteVec x, ByteVec w) { add_small_quads(sums, x, w); }
};

// Not inlined: GCC keeps accumulators in memory where several tiles share a function.
template <typename Products, int kPixels, int kBlocks>
[[gnu::noinline]] void qdconv_tile(const QdconvArgs& args, int64_t first) {
  constexpr int kVectors = kBlocks * kVectorsPerBlock;
  IntVec acc[kPixels][kVectors];
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i)
      acc[p][i] = load_ints((args.bias ? args.bias : args.acc + (first + p) * args.acc_stride) + kLanes * i);
  const int64_t products = args.channels / Products::kChannels,
                block_stride = args.taps * products * kRowBytes;
  const std::byte* row = args.weights;
  const std::byte* const* pixels =
      args.pixels + first / kQconvPixels * args.group_stride + first % kQconvPixels;
  for (int64_t tap = 0; tap < args.taps; ++tap, pixels += kQconvPixels) {
    const std::byte* x[kPixels];
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) x[p] = pixels[p];
    for (int64_t k = 0; k < products; ++k, row += kRowBytes) {
      decltype(Products::load(row)) weight[kVectors];
#pragma GCC unroll 32
      for (int i = 0; i < kVectors; ++i)
        weight[i] = Products::load(row + i / kVectorsPerBlock * block_stride +
                                   i % kVectorsPerBlock * static_cast<int64_t>(sizeof(IntVec)));
#pragma GCC unroll 32
      for (int p = 0; p < kPixels; ++p) {
        const auto value = Products::broadcast(x[p], k);
#pragma GCC unroll 32
        for (int i = 0; i < kVectors; ++i) Products::add(acc[p][i], value, weight[i]);
      }
    }
  }
  // A copy, which no store to y can change.
  const RequantizeArgs epilogue = args.epilogue ? *args.epilogue : RequantizeArgs{};
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p) {
    if (!args.epilogue) {
#pragma GCC unroll 32
      for (int i = 0; i < kVectors; ++i)
        store_ints(args.acc + (first + p) * args.acc_stride + kLanes * i, acc[p][i]);
      continue;
    }
#pragma GCC unroll 32
    for (int block = 0; block < kBlocks; ++block) {
      IntVec sums[kVectorsPerBlock];
#pragma GCC unroll 32
      for (int i = 0; i < kVectorsPerBlock; ++i) sums[i] = acc[p][block * kVectorsPerBlock + i];
      requantize_block(sums, epilogue, first + p, block * 16);
    }
  }
}

template <typename Products, int kBlocks>
inline void qdconv(const QdconvArgs& args) {
  constexpr int kAtOnce = pixels_in_registers<kBlocks * kVectorsPerBlock>(kQconvPixels);
  for (int64_t group = 0; group < args.count; group += kQconvPixels)
    for_each_register_tile<kAtOnce>(
        std::min(kQconvPixels, args.count - group),
        [&]<int kPixels>(int64_t first) { qdconv_tile<Products, kPixels, kBlocks>(args, group + first); });
}

}  // namespace

void u8_s8w_qdconv_ukernel_12x16(const QdconvArgs& args) { qdconv<Pairs, 1>(args); }
void u8_s8w_qdconv_ukernel_12x32(const QdconvArgs& args) { qdconv<Pairs, 2>(args); }
void u8_s8w_qdconv_ukernel_12x64(const QdconvArgs& args) { qdconv<Pairs, 4>(args); }

void u8_s8w_qdconv_bytes_ukernel_12x16(const QdconvArgs& args) { qdconv<Quads, 1>(args); }
void u8_s8w_qdconv_bytes_ukernel_12x32(const QdconvArgs& args) { qdconv<Quads, 2>(args); }
void u8_s8w_qdconv_bytes_ukernel_12x64(const QdconvArgs& args) { qdconv<Quads, 4>(args); }

}  // namespace zeroskip::ZS_ISA
