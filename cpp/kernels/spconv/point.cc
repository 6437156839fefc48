#include "kernels/common/prefetch.h"
#include "kernels/common/simd.h"
#include "kernels/common/weights.h"
#include "kernels/dconv/finish_pixel.h"
#include "kernels/spconv/mask_bits.h"
#include "kernels/spconv/spconv.h"

namespace zeroskip::ZS_ISA {
namespace {

template <int kVectors>
struct Accumulator {
  Vec v[kVectors];

  void load_from(const float* p) {
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) v[i] = load(p + kLanes * i);
  }
  void store_to(float* p) const {
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) store(p + kLanes * i, v[i]);
  }
};

// Vector i of channel row `row`: slabs of 64 outputs lie slab_stride apart.
template <typename W>
inline Vec weight_vector(const std::byte* row, int64_t slab_stride, int i) {
  constexpr int kPerSlab = kSlab / kLanes;
  return W::vector(row + (i / kPerSlab) * slab_stride * W::kBytes, i % kPerSlab);
}

template <typename W, int kVectors>
inline void add_single(uint64_t bits, const float* x, const SpconvPointArgs& args,
                       Accumulator<kVectors>& acc) {
  while (bits) {
    const int64_t k = __builtin_ctzll(bits);
    bits &= bits - 1;
    const Vec value = broadcast(x[k]);
    const std::byte* row = args.weights + k * kSlab * W::kBytes;
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) acc.v[i] += value * weight_vector<W>(row, args.slab_stride, i);
  }
}

// Where both pixels are non-zero one weight load feeds two FMAs; the rest of each is walked alone, so that no
// FMA is spent on a zero. Two alternatives lost: walking the union of the two masks (at every density), and,
// for narrow panels, taking several non-zeros per iteration into separate accumulators (the out-of-order
// window already overlaps the iterations; 0.75x at 32 outputs, Emerald Rapids, November 2026). With 16 outputs
// on AVX2 the union of two or four pixels and walking both at once are faster at no density up to .45, where
// the dense tile takes over (Zen 3; docs/results/calibration.md).
template <typename W, int kVectors>
inline void add_both(uint64_t bits, const float* x0, const float* x1, const SpconvPointArgs& args,
                     Accumulator<kVectors>& acc0, Accumulator<kVectors>& acc1) {
  while (bits) {
    const int64_t k = __builtin_ctzll(bits);
    bits &= bits - 1;
    const Vec value0 = broadcast(x0[k]);
    const Vec value1 = broadcast(x1[k]);
    const std::byte* row = args.weights + k * kSlab * W::kBytes;
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) {
      Vec weight = weight_vector<W>(row, args.slab_stride, i);
      ZS_PIN(weight);
      acc0.v[i] += value0 * weight;
      acc1.v[i] += value1 * weight;
    }
  }
}

template <int kBlocks>
inline Accumulator<kBlocks * kVectorsPerBlock> begin_pixel(const SpconvPointArgs& args, int64_t pixel) {
  Accumulator<kBlocks * kVectorsPerBlock> acc;
  acc.load_from(args.bias ? args.bias : args.acc + pixel * kBlocks * 16);
  return acc;
}

template <int kBlocks>
inline void end_pixel(const SpconvPointArgs& args, int64_t pixel,
                      const Accumulator<kBlocks * kVectorsPerBlock>& acc) {
  if (args.epilogue)
    finish_pixel<kBlocks>(*args.epilogue, pixel, acc.v);
  else
    acc.store_to(args.acc + pixel * kBlocks * 16);
}

// Panels are read for the first time by a handful of pixels, at the speed of L3 or memory; asking for the
// next one early hides that on small feature maps.
template <typename W, int kBlocks>
inline void prefetch_rows(const SpconvPointArgs& args, int64_t first, int64_t count) {
  const int64_t past = first + count < args.next_rows ? first + count : args.next_rows;
  for (int64_t k = first; k < past; ++k) {
    const std::byte* row = args.next_weights + k * kSlab * W::kBytes;
#pragma GCC unroll 8
    for (int block = 0; block < kBlocks; block += 4 / W::kBytes)
      prefetch_to_l2(row + (block / 4 * args.slab_stride + block % 4 * 16) * W::kBytes);
  }
}

template <typename W, int kBlocks>
void spconv_point(const SpconvPointArgs& args) {
  constexpr int kVectors = kBlocks * kVectorsPerBlock;
  const float* x = args.x;
  const uint16_t* mask = args.mask;
  const int64_t pairs = (args.pixels + 1) / 2;
  const int64_t rows_per_pair = args.next_weights && pairs > 0 ? (args.next_rows + pairs - 1) / pairs : 0;
  int64_t pixel = 0;
  for (; pixel + 2 <= args.pixels; pixel += 2) {
    if (rows_per_pair > 0) prefetch_rows<W, kBlocks>(args, pixel / 2 * rows_per_pair, rows_per_pair);
    Accumulator<kVectors> acc0 = begin_pixel<kBlocks>(args, pixel);
    Accumulator<kVectors> acc1 = begin_pixel<kBlocks>(args, pixel + 1);
    const uint64_t bits0 = mask_bits(mask, args.channels);
    const uint64_t bits1 = mask_bits(mask + args.mask_stride, args.channels);
    const float* x1 = x + args.x_stride;
    // Last the loop with most FMAs per non-zero: its backlog hides the mispredicted ends of the others.
    add_single<W, kVectors>(bits0 & ~bits1, x, args, acc0);
    add_single<W, kVectors>(bits1 & ~bits0, x1, args, acc1);
    add_both<W, kVectors>(bits0 & bits1, x, x1, args, acc0, acc1);
    end_pixel<kBlocks>(args, pixel, acc0);
    end_pixel<kBlocks>(args, pixel + 1, acc1);
    x += 2 * args.x_stride;
    mask += 2 * args.mask_stride;
  }
  if (pixel < args.pixels) {
    Accumulator<kVectors> last = begin_pixel<kBlocks>(args, pixel);
    add_single<W, kVectors>(mask_bits(mask, args.channels), x, args, last);
    end_pixel<kBlocks>(args, pixel, last);
  }
}

}  // namespace

void f32_spconv_ukernel_2x16(const SpconvPointArgs& args) { spconv_point<F32Weights, 1>(args); }
void f32_spconv_ukernel_2x32(const SpconvPointArgs& args) { spconv_point<F32Weights, 2>(args); }
void f32_spconv_ukernel_2x48(const SpconvPointArgs& args) { spconv_point<F32Weights, 3>(args); }
void f32_spconv_ukernel_2x64(const SpconvPointArgs& args) { spconv_point<F32Weights, 4>(args); }
void f32_spconv_ukernel_2x80(const SpconvPointArgs& args) { spconv_point<F32Weights, 5>(args); }
void f32_spconv_ukernel_2x96(const SpconvPointArgs& args) { spconv_point<F32Weights, 6>(args); }
void f32_spconv_ukernel_2x112(const SpconvPointArgs& args) { spconv_point<F32Weights, 7>(args); }
void f32_spconv_ukernel_2x128(const SpconvPointArgs& args) { spconv_point<F32Weights, 8>(args); }

void f32_bf16w_spconv_ukernel_2x16(const SpconvPointArgs& args) { spconv_point<Bf16Weights, 1>(args); }
void f32_bf16w_spconv_ukernel_2x32(const SpconvPointArgs& args) { spconv_point<Bf16Weights, 2>(args); }
void f32_bf16w_spconv_ukernel_2x64(const SpconvPointArgs& args) { spconv_point<Bf16Weights, 4>(args); }
void f32_bf16w_spconv_ukernel_2x128(const SpconvPointArgs& args) { spconv_point<Bf16Weights, 8>(args); }

}  // namespace zeroskip::ZS_ISA
