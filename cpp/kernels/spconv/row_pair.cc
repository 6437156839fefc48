#include "kernels/common/prefetch.h"
#include "kernels/common/simd.h"
#include "kernels/common/weights.h"
#include "kernels/dconv/finish_pixel.h"
#include "kernels/spconv/mask_bits.h"
#include "kernels/spconv/spconv.h"

namespace zeroskip::ZS_ISA {
namespace {

// The three accumulators a row has in flight: slot[t] collects tap 2 - t of the current input pixel.
template <int kVectors>
struct Window {
  Vec slot[3][kVectors];

  void load_slot(int t, const float* p) {
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) slot[t][i] = load(p + kLanes * i);
  }
  void store_slot(int t, float* p) const {
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) store(p + kLanes * i, slot[t][i]);
  }
  void rotate() {
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; ++i) {
      slot[0][i] = slot[1][i];
      slot[1][i] = slot[2][i];
    }
  }
};

template <typename W, int kVectors>
inline void add_single(uint64_t bits, const float* x, const std::byte* weights, int64_t tap_stride,
                       Window<kVectors>& window) {
  while (bits) {
    const int64_t k = __builtin_ctzll(bits);
    bits &= bits - 1;
    const Vec value = broadcast(x[k]);
    const std::byte* row = weights + k * kSlab * W::kBytes;
#pragma GCC unroll 3
    for (int t = 0; t < 3; ++t)
#pragma GCC unroll 32
      for (int i = 0; i < kVectors; ++i)
        window.slot[t][i] += value * W::vector(row + (2 - t) * tap_stride * W::kBytes, i);
  }
}

template <typename W, int kVectors>
inline void add_both(uint64_t bits, const float* x0, const float* x1, const std::byte* weights,
                     int64_t tap_stride, Window<kVectors>& window0, Window<kVectors>& window1) {
  while (bits) {
    const int64_t k = __builtin_ctzll(bits);
    bits &= bits - 1;
    const Vec value0 = broadcast(x0[k]);
    const Vec value1 = broadcast(x1[k]);
    const std::byte* row = weights + k * kSlab * W::kBytes;
#pragma GCC unroll 3
    for (int t = 0; t < 3; ++t)
#pragma GCC unroll 32
      for (int i = 0; i < kVectors; ++i) {
        Vec weight = W::vector(row + (2 - t) * tap_stride * W::kBytes, i);
        ZS_PIN(weight);
        window0.slot[t][i] += value0 * weight;
        window1.slot[t][i] += value1 * weight;
      }
  }
}

// Stores or finishes acc pixel j, which slot `slot` holds.
template <int kBlocks>
inline void end_pixel(const SpconvRowPairArgs& args, int row, int64_t j, int slot,
                      const Window<kBlocks * kVectorsPerBlock>& window) {
  if (!args.epilogue[row])
    window.store_slot(slot, args.row[row].acc + j * kBlocks * 16);
  else if (j >= args.first_output && j < args.first_output + args.outputs)
    finish_pixel<kBlocks>(*args.epilogue[row], j - args.first_output, window.slot[slot]);
}

template <typename W, int kBlocks>
inline void prefetch_rows(const SpconvRowPairArgs& args, int64_t first, int64_t count) {
  const int64_t past = first + count < args.next_rows ? first + count : args.next_rows;
  for (int64_t k = first; k < past; ++k)
#pragma GCC unroll 3
    for (int t = 0; t < 3; ++t)
#pragma GCC unroll 4
      for (int block = 0; block < kBlocks; block += 4 / W::kBytes)
        prefetch_to_l2(args.next_weights + (t * args.tap_stride + k * kSlab + block * 16) * W::kBytes);
}

template <typename W, int kBlocks>
void spconv_row_pair(const SpconvRowPairArgs& args) {
  constexpr int kVectors = kBlocks * kVectorsPerBlock;
  const auto begin = [&](int row, int64_t j) {
    return args.bias ? args.bias : args.row[row].acc + j * kBlocks * 16;
  };
  Window<kVectors> window0, window1;
#pragma GCC unroll 2
  for (int j = 0; j < 2; ++j) {
    window0.load_slot(j, begin(0, j));
    window1.load_slot(j, begin(1, j));
  }
  const float* x0 = args.row[0].x;
  const float* x1 = args.row[1].x;
  const uint16_t* mask0 = args.row[0].mask;
  const uint16_t* mask1 = args.row[1].mask;
  const int64_t rows_per_pixel = args.next_weights ? (args.next_rows + args.pixels - 1) / args.pixels : 0;
  for (int64_t pixel = 0; pixel < args.pixels; ++pixel) {
    if (rows_per_pixel > 0) prefetch_rows<W, kBlocks>(args, pixel * rows_per_pixel, rows_per_pixel);
    window0.load_slot(2, begin(0, pixel + 2));
    window1.load_slot(2, begin(1, pixel + 2));
    const uint64_t bits0 = mask_bits(mask0, args.channels);
    const uint64_t bits1 = mask_bits(mask1, args.channels);
    add_both<W, kVectors>(bits0 & bits1, x0, x1, args.weights, args.tap_stride, window0, window1);
    add_single<W, kVectors>(bits0 & ~bits1, x0, args.weights, args.tap_stride, window0);
    add_single<W, kVectors>(bits1 & ~bits0, x1, args.weights, args.tap_stride, window1);
    end_pixel<kBlocks>(args, 0, pixel, 0, window0);
    end_pixel<kBlocks>(args, 1, pixel, 0, window1);
    window0.rotate();
    window1.rotate();
    x0 += args.x_stride;
    x1 += args.x_stride;
    mask0 += args.row[0].mask_stride;
    mask1 += args.row[1].mask_stride;
  }
#pragma GCC unroll 2
  for (int slot = 0; slot < 2; ++slot) {
    end_pixel<kBlocks>(args, 0, args.pixels + slot, slot, window0);
    end_pixel<kBlocks>(args, 1, args.pixels + slot, slot, window1);
  }
}

}  // namespace

void f32_spconv3row_ukernel_2x16(const SpconvRowPairArgs& args) { spconv_row_pair<F32Weights, 1>(args); }
void f32_spconv3row_ukernel_2x32(const SpconvRowPairArgs& args) { spconv_row_pair<F32Weights, 2>(args); }
void f32_spconv3row_ukernel_2x48(const SpconvRowPairArgs& args) { spconv_row_pair<F32Weights, 3>(args); }
void f32_spconv3row_ukernel_2x64(const SpconvRowPairArgs& args) { spconv_row_pair<F32Weights, 4>(args); }

void f32_bf16w_spconv3row_ukernel_2x16(const SpconvRowPairArgs& args) {
  spconv_row_pair<Bf16Weights, 1>(args);
}
void f32_bf16w_spconv3row_ukernel_2x32(const SpconvRowPairArgs& args) {
  spconv_row_pair<Bf16Weights, 2>(args);
}
void f32_bf16w_spconv3row_ukernel_2x64(const SpconvRowPairArgs& args) {
  spconv_row_pair<Bf16Weights, 4>(args);
}

}  // namespace zeroskip::ZS_ISA
