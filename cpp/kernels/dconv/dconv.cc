#include "kernels/common/register_tile.h"
#include "kernels/common/simd.h"
#include "kernels/dconv/finish_pixel.h"
#include "kernels/spconv/spconv.h"

namespace zeroskip::ZS_ISA {
namespace {

// Weights are streamed once per tile from L2, and the first time from L3 or memory.
constexpr int64_t kPrefetchRows = 12;

template <int kPixels, int kVectors>
inline void dconv_tile(const DconvArgs& args, int64_t first) {
  Vec acc[kPixels][kVectors];
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i)
      acc[p][i] = load((args.bias ? args.bias : args.acc + (first + p) * args.acc_stride) + kLanes * i);
  const float* row = args.weights;
  const float* const* pixels = args.pixels + first;
  for (int64_t tap = 0; tap < args.taps; ++tap, pixels += kDconvPixels) {
    const float* x[kPixels];
#pragma GCC unroll 32
    for (int p = 0; p < kPixels; ++p) x[p] = pixels[p];
    for (int64_t k = 0; k < args.channels; ++k, row += kSlab) {
      Vec weight[kVectors];
#pragma GCC unroll 32
      for (int i = 0; i < kVectors; ++i) weight[i] = load(row + kLanes * i);
#pragma GCC unroll 32
      for (int i = 0; i < kVectors; i += kVectorsPerBlock)
        __builtin_prefetch(row + kPrefetchRows * kSlab + kLanes * i);
#pragma GCC unroll 32
      for (int p = 0; p < kPixels; ++p) {
        const Vec value = broadcast(x[p][k]);
#pragma GCC unroll 32
        for (int i = 0; i < kVectors; ++i) acc[p][i] += value * weight[i];
      }
    }
  }
#pragma GCC unroll 32
  for (int p = 0; p < kPixels; ++p) {
    if (args.epilogue) {
      finish_pixel<kVectors / kVectorsPerBlock>(*args.epilogue, first + p, acc[p]);
      continue;
    }
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i)
      store(args.acc + (first + p) * args.acc_stride + kLanes * i, acc[p][i]);
  }
}

// Splits `count` pixels into tiles that fit the registers, the last one by its exact size.
template <int kPixels, int kVectors>
inline void dconv_upto(const DconvArgs& args, int64_t first) {
  if constexpr (kPixels > 0) {
    if (args.count - first >= kPixels) {
      dconv_tile<kPixels, kVectors>(args, first);
      first += kPixels;
    }
    if (first < args.count) {
      if (args.count - first >= kPixels)
        dconv_upto<kPixels, kVectors>(args, first);
      else
        dconv_upto<kPixels - 1, kVectors>(args, first);
    }
  }
}

template <int kBlocks>
void dconv(const DconvArgs& args) {
  constexpr int kVectors = kBlocks * kVectorsPerBlock;
  dconv_upto<pixels_in_registers<kVectors>(kDconvPixels), kVectors>(args, 0);
}

}  // namespace

void f32_dconv_ukernel_12x16(const DconvArgs& args) { dconv<1>(args); }
void f32_dconv_ukernel_12x32(const DconvArgs& args) { dconv<2>(args); }
void f32_dconv_ukernel_12x48(const DconvArgs& args) { dconv<3>(args); }
void f32_dconv_ukernel_12x64(const DconvArgs& args) { dconv<4>(args); }

}  // namespace zeroskip::ZS_ISA
