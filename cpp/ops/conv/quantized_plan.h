// What a convolution of u8 activations is going to do, as plain data: made once from its step, printable.
#pragma once

#include <string>

#include "ops/conv/task.h"

namespace zeroskip {

inline constexpr int64_t kSlabBlocks = kSlab / 16;
inline constexpr int64_t kShort = sizeof(int16_t);  // of a factor in pairs

// Sums by lists of the non-zeros of pairs of pixels.
struct QuantizedSparsePlan {
  bool joins_row;     // a list holds the taps of a kernel row side by side, else those of one tap
  int64_t list_taps;  // of a list
  int64_t lists;      // of a pair and panel
  int64_t list_step;  // lists whose weights lie in L1 together
  int64_t
      slab_step;  // likewise, slabs that a pair meets one after the other; 1 unless it is visited but once
  int64_t panel_channels;  // channels of a list and tap
  int64_t panels;          // of a tap's channels

  int64_t record_bytes() const { return quad_list_bytes(list_taps * panel_channels); }
};

enum class DenseProducts : int8_t {
  kPairs,  // of 16 bits: weights expanded, activations copied
  kBytes,  // quads of 8 bits by an instruction that saturates, where no sum reaches that: weights expanded in order
  kQuads,  // by one that does not: nothing is copied
};

struct QuantizedDensePlan {
  DenseProducts products;
  int64_t taps;         // of a gathered input whole rows of the kernel, each of kw * c channels
  int64_t channels;     // per tap
  int64_t padded;       // channels, as the kernel counts them
  int64_t tap_step;     // taps whose weights are expanded at once
  int64_t columns;      // outputs of the kernel of pairs
  double wide;          // by bytes: share of the quads whose sums may saturate
  bool copies_windows;  // by bytes, of few channels: a pixel's window is copied and is one tap

  bool reads_bytes() const { return products != DenseProducts::kPairs; }
  // Of expanded weights: of a slab in pairs, of a block by bytes.
  int64_t tap_bytes() const {
    return products == DenseProducts::kBytes ? ordered_weight_bytes(padded) : padded * kSlab * kShort;
  }
  // From one copied window to the next: copies run over the end.
  int64_t window_bytes() const { return copies_windows ? round_up(channels, 16) + 16 : 0; }
};

// Working memory of a thread in bytes.
struct QuantizedScratch {
  int64_t input;     // activations in 16 bits, copied rows of bytes, or lists
  int64_t pointers;  // to them
  int64_t acc, weights, y;
  int64_t thread() const { return input + pointers + acc + weights + y; }
};

struct QuantizedConvPlan {
  ConvGeometry geometry;  // a pointwise convolution's is one long row
  GroupLayout layout;
  ConvInput input;
  bool gathers_input;  // few channels: a horizontal run of taps is one tap of kw * c channels
  ConvAlgorithm algorithm;
  int num_threads;
  uint8_t x_zero_point;
  double crossover_density;
  QuantizedSparsePlan sparse;
  QuantizedDensePlan dense;
  ConvCut cut;
  QuantizedScratch scratch;

  int64_t tasks() const { return cut.tiles * layout.groups * cut.block_splits; }
  int64_t tile_pixels() const { return cut.row_tile * cut.column_tile; }
  // Of a gathered input: channels of a row of the kernel, as weights lie.
  int64_t kernel_row() const {
    return dense.products == DenseProducts::kQuads ? dense.padded : geometry.kw * geometry.c;
  }
  // Of a slab of weights, which both algorithms read.
  int64_t slab_rows() const {
    return gathers_input ? geometry.kh * kernel_row() : geometry.taps() * layout.in;
  }
  // Whether a tile's input is that of its output pixels, one after the other.
  bool is_single_tap() const { return geometry.taps() == 1 && !gathers_input; }
};

// Of the step of a convolution, or of a linear one, which is a pointwise convolution of one long row. Throws Error on
// a step that no algorithm can carry out.
QuantizedConvPlan plan_quantized_conv(const StepSpec& step, const BuildContext& context);

// A few lines for people.
std::string to_text(const QuantizedConvPlan& plan);

}  // namespace zeroskip
