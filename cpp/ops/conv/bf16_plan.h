// What a convolution of bf16 activations is going to do, as plain data: made once from its step, printable.
#pragma once

#include <string>

#include "ops/conv/task.h"

namespace zeroskip {

// Sums by lists of non-zeros.
struct Bf16SparsePlan {
  int64_t span_channels;  // of a list
  int64_t spans;          // of a tap's channels
  int64_t tap_step;       // taps whose rows lie in L1 together

  int64_t record_bytes() const { return pair_record_bytes(span_channels); }
};

// Working memory of a thread in bytes.
struct Bf16Scratch {
  int64_t records;   // lists of non-zeros
  int64_t pointers;  // to them, or to pixels
  int64_t acc;
  int64_t thread() const { return records + pointers + acc; }
};

struct Bf16ConvPlan {
  ConvGeometry geometry;  // a pointwise convolution's is one long row
  GroupLayout layout;
  ConvAlgorithm algorithm;
  int num_threads;
  double crossover_density;
  int64_t even;     // input channels of a tap as the weights have them
  int64_t columns;  // outputs of the kernels
  Bf16SparsePlan sparse;
  ConvCut cut;
  Bf16Scratch scratch;

  int64_t tasks() const { return cut.tiles * layout.groups * cut.block_splits; }
  int64_t tile_pixels() const { return cut.row_tile * cut.column_tile; }
  bool is_single_tap() const { return geometry.taps() == 1; }
};

// Of the step of a convolution, or of a linear one, which is a pointwise convolution of one long row. Throws Error on
// a step that no algorithm can carry out.
Bf16ConvPlan plan_bf16_conv(const StepSpec& step, const BuildContext& context);

// A few lines for people.
std::string to_text(const Bf16ConvPlan& plan);

}  // namespace zeroskip
