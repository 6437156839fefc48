// The dense tile of u8 convolutions: products of channel pairs, accumulators in registers.
#include "kernels/common/register_tile.h"
#include "kernels/qconv/requantize.h"

namespace zeroskip::ZS_ISA {
namespace {

template <int kPixels, int kBlocks>
inline void qdconv_tile(const QdconvArgs& args, int64_t first) {
  constexpr int kVectors = kBlocks * kVectorsPerBlock;
  IntVec acc[kPixels][kVectors];
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i)
      acc[p][i] = load_ints((args.bias ? args.bias : args.acc + (first + p) * args.acc_stride) + kLanes * i);
  const int64_t pairs = args.channels / 2, block_stride = args.taps * args.channels * 16;
  const int16_t* row = args.weights;
  const int16_t* const* pixels = args.pixels + first;
  for (int64_t tap = 0; tap < args.taps; ++tap, pixels += kQconvPixels) {
    const int16_t* x[kPixels];
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) x[p] = pixels[p];
    for (int64_t k = 0; k < pairs; ++k, row += 32) {
      ShortVec weight[kVectors];
#pragma GCC unroll 32
      for (int i = 0; i < kVectors; ++i)
        weight[i] = load_shorts(row + i / kVectorsPerBlock * block_stride + i % kVectorsPerBlock * kShorts);
#pragma GCC unroll 32
      for (int p = 0; p < kPixels; ++p) {
        const ShortVec value = broadcast_pair(x[p] + 2 * k);
#pragma GCC unroll 32
        for (int i = 0; i < kVectors; ++i) acc[p][i] += multiply_pairs(value, weight[i]);
      }
    }
  }
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
      requantize_block(sums, *args.epilogue, first + p, block * 16);
    }
  }
}

template <int kBlocks>
inline void qdconv(const QdconvArgs& args) {
  constexpr int kAtOnce = pixels_in_registers<kBlocks * kVectorsPerBlock>(kQconvPixels);
  for_each_register_tile<kAtOnce>(
      args.count, [&]<int kPixels>(int64_t first) { qdconv_tile<kPixels, kBlocks>(args, first); });
}

}  // namespace

void u8_s8w_qdconv_ukernel_12x16(const QdconvArgs& args) { qdconv<1>(args); }
void u8_s8w_qdconv_ukernel_12x32(const QdconvArgs& args) { qdconv<2>(args); }
void u8_s8w_qdconv_ukernel_12x64(const QdconvArgs& args) { qdconv<4>(args); }

}  // namespace zeroskip::ZS_ISA
