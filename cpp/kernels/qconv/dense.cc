// The dense tile of u8 convolutions: products of pairs of channels in 16 bits, accumulators in registers.
#include "kernels/common/int_simd.h"
#include "kernels/common/register_tile.h"
#include "kernels/qconv/requantize.h"

namespace zeroskip::ZS_ISA {
namespace {

constexpr int64_t kRowBytes = 64;  // of the weights of one product of a block

// Not inlined: GCC keeps accumulators in memory where several tiles share a function.
template <int kPixels, int kBlocks>
[[gnu::noinline]] void qdconv_tile(const QdconvArgs& args, int64_t first) {
  constexpr int kVectors = kBlocks * kVectorsPerBlock;
  IntVec acc[kPixels][kVectors];
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i)
      acc[p][i] = load_ints((args.bias ? args.bias : args.acc + (first + p) * args.acc_stride) + kLanes * i);
  const int64_t products = args.channels / 2, block_stride = args.taps * products * kRowBytes;
  const std::byte* row = args.weights;
  const int16_t* const* pixels =
      args.pixels + first / kQconvPixels * args.group_stride + first % kQconvPixels;
  for (int64_t tap = 0; tap < args.taps; ++tap, pixels += kQconvPixels) {
    const int16_t* x[kPixels];
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) x[p] = pixels[p];
    for (int64_t k = 0; k < products; ++k, row += kRowBytes) {
      ShortVec weight[kVectors];
#pragma GCC unroll 32
      for (int i = 0; i < kVectors; ++i)
        weight[i] = load_shorts(
            reinterpret_cast<const int16_t*>(row + i / kVectorsPerBlock * block_stride +
                                             i % kVectorsPerBlock * static_cast<int64_t>(sizeof(IntVec))));
#pragma GCC unroll 32
      for (int p = 0; p < kPixels; ++p) {
        const ShortVec value = broadcast_pair(x[p] + 2 * k);
#pragma GCC unroll 32
        for (int i = 0; i < kVectors; ++i) acc[p][i] += multiply_pairs(value, weight[i]);
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

template <int kBlocks>
inline void qdconv(const QdconvArgs& args) {
  constexpr int kAtOnce = pixels_in_registers<kBlocks * kVectorsPerBlock>(kQconvPixels);
  for (int64_t group = 0; group < args.count; group += kQconvPixels)
    for_each_register_tile<kAtOnce>(
        std::min(kQconvPixels, args.count - group),
        [&]<int kPixels>(int64_t first) { qdconv_tile<kPixels, kBlocks>(args, group + first); });
}

}  // namespace

void u8_s8w_qdconv_ukernel_12x16(const QdconvArgs& args) { qdconv<1>(args); }
void u8_s8w_qdconv_ukernel_12x32(const QdconvArgs& args) { qdconv<2>(args); }
void u8_s8w_qdconv_ukernel_12x64(const QdconvArgs& args) { qdconv<4>(args); }

}  // namespace zeroskip::ZS_ISA
