// Fully connected layers. Weights are packed [in][stride] with stride = outputs rounded up to 16, padding
// zero: one non-zero input then adds one contiguous row. 16-bit weights (kernels/common/weight_format.h) have
// a stride rounded up to 32 and are read from even blocks on, an even number of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/common/weight_format.h"

namespace zeroskip {

// Lists the non-zero values of x[0, count) (exact, any alignment) and their positions, in order; returns how
// many. indices and values hold room for `count` entries.
using NonzeroListFn = int64_t (*)(const float* x, int64_t count, int32_t* indices, float* values);

// y[o] += sum over i < count of values[i] * weights[indices[i] * weight_stride + o], o < 16 * blocks. y
// should lie in L1: it is read and written once per 8 rows.
struct RowAxpyArgs {
  int64_t count = 0;
  const int32_t* indices = nullptr;
  const float* values = nullptr;
  const std::byte* weights = nullptr;
  int64_t weight_stride = 0;
  int64_t blocks = 0;  // of 16 outputs
  float* y = nullptr;
};
using RowAxpyFn = void (*)(const RowAxpyArgs&);

// Copies `rows` rows of `blocks` blocks of 16 weights to rows of floats, expanding 16-bit weights; of those
// an odd last block is followed by whatever the next one holds.
struct PackRowsArgs {
  int64_t rows = 0;
  int64_t blocks = 0;
  const std::byte* from = nullptr;
  int64_t from_stride = 0;
  float* to = nullptr;
  int64_t to_stride = 0;
};
using PackRowsFn = void (*)(const PackRowsArgs&);

// c[m][n] += sum over k of a[m][k] * b[k][n] for m < rows and n < 16 * blocks. a is read exactly and may have
// any alignment; b rows are padded to whole blocks.
struct GemmArgs {
  int64_t rows = 0;
  int64_t depth = 0;  // extent of k
  int64_t blocks = 0;
  const float* a = nullptr;
  int64_t a_stride = 0;
  const float* b = nullptr;
  int64_t b_stride = 0;
  float* c = nullptr;
  int64_t c_stride = 0;
};
using GemmFn = void (*)(const GemmArgs&);

}  // namespace zeroskip
