// Sparse-input convolution: microkernels that walk the set bits of an activation mask.
//
// Both kinds add the products of one weight panel to accumulators in memory. A panel holds the weights of up
// to 64 input channels for `blocks` blocks of 16 output channels; it should fit in L1, for it is read once
// per pixel. Packed weights ("slabs"): [Cout / 64][tap][Cin][64], the last slab padded with zeros;
// `slab_stride` separates slabs and `tap_stride` = Cin * 64 separates taps. `weights` points at the panel's
// first channel and output, in the storage the kernel's name says (kernels/common/weight_format.h); a kernel
// of more than 4 blocks reads the following slab too, so it must start at the beginning of one. `channels`
// has a bit for every input channel the panel covers (bit 0 = the channel x points at); the 64 mask bits at
// `mask` are limited to it. Activations whose bit is clear are never read: an Inf or NaN weight has no effect
// there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/common/weight_format.h"
#include "kernels/dconv/dconv.h"

namespace zeroskip {

inline constexpr int64_t kSlab = 64;  // output channels in one slab of packed weights

// One tap at a run of output pixels: acc[p][o] += sum over k of x[p][k] * w[k][o], pixels taken in pairs.
struct SpconvPointArgs {
  int64_t pixels;
  const float* x;  // pixel p at x + p * x_stride
  int64_t x_stride;
  const uint16_t* mask;  // pixel p at mask + p * mask_stride
  int64_t mask_stride;
  uint64_t channels;
  const std::byte* weights;
  int64_t slab_stride;
  const std::byte* next_weights;  // if set, the panel that follows: its rows are prefetched into L2, spread
                                  // over the pixels
  int64_t next_rows;
  float* acc;                        // [pixels][blocks * 16]
  const float* bias;                 // if set, accumulators start from it instead of from acc
  const ConvEpilogueArgs* epilogue;  // if set, pixel p is finished into its pixel p instead of stored to acc;
                                     // of this struct `pixels`, `blocks`, `acc` and `acc_stride` are not used
};
using SpconvPointFn = void (*)(const SpconvPointArgs&);

// Three horizontal taps at stride 1 and dilation 1, for two output rows at a time. Every non-zero input feeds
// its three output pixels through rotating accumulators: input pixel i adds tap 2 to acc[i], tap 1 to acc[i +
// 1] and tap 0 to acc[i + 2], so acc[j] is the output pixel whose window starts at input pixel j - 2.
struct SpconvRowInput {
  const float* x;  // pixels x_stride apart
  const uint16_t* mask;
  int64_t mask_stride;  // 0 with a mask of zeros makes an empty row
  float* acc;           // [pixels + 2][blocks * 16]
};
struct SpconvRowPairArgs {
  int64_t pixels;  // input pixels in a row
  SpconvRowInput row[2];
  int64_t x_stride;
  uint64_t channels;
  const std::byte* weights;
  int64_t tap_stride;
  const std::byte* next_weights;  // as in SpconvPointArgs, for all three taps
  int64_t next_rows;
  const float* bias;  // if set, accumulators start from it instead of from acc
  // If set, every acc pixel j with first_output <= j < first_output + outputs is finished into pixel
  // j - first_output of its row's epilogue instead of stored; other acc pixels are dropped.
  const ConvEpilogueArgs* epilogue[2];
  int64_t first_output;
  int64_t outputs;
};
using SpconvRowPairFn = void (*)(const SpconvRowPairArgs&);

// Set bits of the first `words` mask words of every pixel.
using MaskPopcountFn = int64_t (*)(int64_t pixels, int64_t words, const uint16_t* mask, int64_t mask_stride);

}  // namespace zeroskip
