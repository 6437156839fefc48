// Reductions along a row or down columns, and normalisation by mean and variance.
//
// Long sums are added up in parts of a few hundred values, so that their order hardly shows.
#pragma once

#include <cstdint>

namespace zeroskip {

// What is combined: x, |x| or x^2 are added, the largest or the smallest kept, all multiplied. NaN propagates.
enum class Reduction { kSum, kSumAbs, kSumSquare, kMax, kMin, kProduct };

// Combines x[0, count), count >= 1; read exactly, at any alignment.
using ReduceRowFn = float (*)(Reduction reduction, const float* x, int64_t count);

// y[j] = the combination of x[i * row_stride + j] over i < rows, rows >= 1, for j < columns. Reads and writes
// exactly, at any alignment; y is no part of x.
struct ReduceColumnsArgs {
  int64_t rows = 0;
  int64_t row_stride = 0;
  int64_t columns = 0;
  const float* x = nullptr;
  float* y = nullptr;
};
using ReduceColumnsFn = void (*)(Reduction reduction, const ReduceColumnsArgs&);

// y[i] = (x[i] - mean) / sqrt(variance + epsilon) * scale + bias over one row of `count` >= 1 values. scale and
// bias are one value for each i, or one for the row (stride 0). Reads and writes exactly, at any alignment; y
// may be x.
struct NormalizeRowArgs {
  int64_t count = 0;
  const float* x = nullptr;
  float* y = nullptr;
  const float* scale = nullptr;
  const float* bias = nullptr;
  int64_t parameter_stride = 1;  // 0 or 1
  float epsilon = 0;
};
using NormalizeRowFn = void (*)(const NormalizeRowArgs&);

// mean[c] and variance[c] of x[p * x_stride + c] over p < pixels, for c < 16 * blocks.
struct MomentsArgs {
  const float* x = nullptr;
  int64_t x_stride = 0;
  int64_t pixels = 0;
  int64_t blocks = 0;
  float* mean = nullptr;
  float* variance = nullptr;
};
using MomentsFn = void (*)(const MomentsArgs&);

}  // namespace zeroskip
