// linear: y = act(x * weight^T + bias) over the last axis.
//
// Few non-zero inputs: list them and add their weight rows, 8 at a time, into a strip of y that stays in L1.
// This reads only the rows that count, and at batch 1 time is reading weights from memory. Otherwise a
// blocked GEMM, which reads every weight once for all rows of x.
#pragma once

#include "kernels/lookup.h"
#include "ops/epilogue.h"
#include "ops/op.h"
#include "ops/packed_weights.h"
#include "ops/split.h"

namespace zeroskip {

class Linear final : public Op {
 public:
  Linear(const StepSpec& step, const BuildContext& context);

  void run(const RunContext& context) const override;
  size_t scratch_bytes() const override;
  std::optional<double> input_density(const RunContext& context) const override;
  std::optional<double> steady_density() const override;
  std::string kernel_name() const override;

 private:
  // The non-zero inputs of all rows of x: row m's are entries [first[m], first[m + 1]).
  struct Nonzeros {
    int64_t* first;
    int32_t* indices;
    float* values;
  };
  // The part of the scratch that lists the non-zeros, and one thread's working memory behind it.
  struct ThreadScratch {
    float* y;  // [block_rows_][strip]
    float* b;  // [kDepth][strip]
  };

  Nonzeros nonzeros(const RunContext& context) const;
  ThreadScratch thread_scratch(const RunContext& context, int thread) const;
  // Outputs as packed: rounded up to a whole group of 16-bit weights, else to a block.
  int64_t padded_out() const;
  int64_t nonzero_bytes() const;
  int64_t thread_bytes() const;

  // False when there are so many that the GEMM is the better choice.
  bool list_nonzeros(const RunContext& context, const Nonzeros& list) const;
  void run_sparse(const RunContext& context, const Nonzeros& list) const;
  void run_dense(const RunContext& context) const;
  void multiply_strip(const float* x, int64_t rows, int64_t strip, const ThreadScratch& scratch) const;
  void multiply_panels(const float* x, int64_t rows, int64_t strip, float* y) const;
  void store_outputs(float* sums, int64_t first, int64_t width, float* y) const;

  const KernelTable& kernels_;
  int64_t rows_, in_, out_, x_stride_;
  Epilogue epilogue_;
  DataType storage_;
  Kernel<RowAxpyFn> axpy_;
  PackRowsFn pack_rows_;
  bool has_panels_;
  SharedWeights weights_;  // [in][padded_out()], or panels [padded_out() / 16][in][16]
  AlignedFloats bias_;
  int num_threads_;
  int64_t block_rows_;                      // rows of x in one GEMM task
  Split sparse_strips_{}, dense_strips_{};  // of the outputs, in blocks of 16
};

}  // namespace zeroskip
