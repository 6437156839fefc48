// matmul: products of two computed matrices, batched as ONNX has it. Row tensors.
#include <algorithm>

#include "kernels/lookup.h"
#include "ops/ops.h"
#include "ops/shapes.h"
#include "ops/split.h"

namespace zeroskip {
namespace {

constexpr int64_t kDepth = 128;       // of b that is packed at once, in rows
constexpr int64_t kStripBlocks = 16;  // and in blocks of 16 columns: 128 KB, half of a small L2
constexpr int64_t kRows = 96;         // of a that share what was packed

class MatMul final : public Op {
 public:
  MatMul(const StepSpec& step, const BuildContext& context)
      : kernels_(context.kernels), num_threads_(context.num_threads) {
    const TensorSpec& a = context.input(step, 0);
    const TensorSpec& b = context.input(step, 1);
    const TensorSpec& y = context.output(step, 0);
    for (const TensorSpec* tensor : {&a, &b, &y}) {
      require_layout(*tensor, Layout::kRow);
      check(tensor->shape.size() >= 2, "tensor '", tensor->name, "' needs at least two axes");
    }
    const size_t rank = y.shape.size();
    rows_ = a.shape[a.shape.size() - 2], depth_ = a.shape.back(), columns_ = b.shape.back();
    check(b.shape[b.shape.size() - 2] == depth_, "inner extents ", depth_, " and ",
          b.shape[b.shape.size() - 2], " differ");
    check(y.shape[rank - 2] == rows_ && y.shape[rank - 1] == columns_, "output has shape ",
          shape_text(y.shape), ", needs matrices of ", rows_, " x ", columns_);
    for (size_t axis = 0; axis + 2 < rank; ++axis)
      batch_.push_back({y.shape[axis], stride_of(a, rank, axis), stride_of(b, rank, axis)});
    check(a.shape.size() <= rank && b.shape.size() <= rank, "output has too few axes");
    for (const BatchAxis& axis : batch_) matrices_ *= axis.count;
    const int64_t blocks = ceil_div(columns_, kChannelBlock);
    row_parts_ = {rows_, std::min(rows_, kRows)};
    const int64_t wanted = ceil_div(2 * num_threads_, matrices_ * row_parts_.tasks());
    strips_ = {blocks, std::clamp<int64_t>(ceil_div(blocks, wanted), 1, kStripBlocks)};
  }

  void run(const RunContext& context) const override {
    const int64_t parts = row_parts_.tasks() * strips_.tasks();
    parallel_for(context.num_threads, matrices_ * parts, [&](int64_t task, int thread) {
      const int64_t matrix = task / parts, part = task % parts;
      multiply(context, matrix, part / strips_.tasks(), part % strips_.tasks(), thread);
    });
  }
  size_t scratch_bytes() const override {
    return static_cast<size_t>(num_threads_ * thread_floats()) * sizeof(float);
  }
  std::string kernel_name() const override { return "f32_gemm"; }

 private:
  struct BatchAxis {
    int64_t count, a, b;  // strides, 0 where an operand is repeated
  };

  // Elements from one matrix to the next along an axis of the result's batch.
  static int64_t stride_of(const TensorSpec& x, size_t rank, size_t axis) {
    const size_t missing = rank - std::min(rank, x.shape.size());
    return axis < missing || x.shape[axis - missing] == 1 ? 0 : row_strides(x.shape)[axis - missing];
  }

  int64_t thread_floats() const {
    return (row_parts_.size * strips_.size + kDepth * (strips_.size + 1)) * kChannelBlock;
  }

  void multiply(const RunContext& context, int64_t matrix, int64_t part, int64_t strip, int thread) const {
    int64_t a_at = row_parts_.begin(part) * depth_, b_at = strips_.begin(strip) * kChannelBlock,
            rest = matrix;
    for (size_t axis = batch_.size(); axis-- > 0; rest /= batch_[axis].count) {
      a_at += rest % batch_[axis].count * batch_[axis].a;
      b_at += rest % batch_[axis].count * batch_[axis].b;
    }
    const float* a = context.inputs[0].as<float>() + a_at;
    const float* b = context.inputs[1].as<float>() + b_at;
    const int64_t rows = row_parts_.count(part), width = strips_.count(strip) * kChannelBlock;
    const int64_t apart = width + kChannelBlock;  // no power of two: rows would share a few sets of the cache
    const int64_t exists = std::min(width, columns_ - strips_.begin(strip) * kChannelBlock);
    float* sums = reinterpret_cast<float*>(context.scratch.data()) + thread * thread_floats();
    float* packed = sums + row_parts_.size * strips_.size * kChannelBlock;
    std::fill_n(sums, rows * width, 0.0f);
    for (int64_t k = 0; k < depth_; k += kDepth) {
      const int64_t depth = std::min(kDepth, depth_ - k);
      for (int64_t row = 0; row < depth; ++row) {
        std::copy_n(b + (k + row) * columns_, exists, packed + row * apart);
        std::fill_n(packed + row * apart + exists, width - exists, 0.0f);
      }
      kernels_.f32_gemm({.rows = rows,
                         .depth = depth,
                         .blocks = strips_.count(strip),
                         .a = a + k,
                         .a_stride = depth_,
                         .b = packed,
                         .b_stride = apart,
                         .c = sums,
                         .c_stride = width});
    }
    float* y = context.outputs[0].as<float>() + (matrix * rows_ + row_parts_.begin(part)) * columns_ +
               strips_.begin(strip) * kChannelBlock;
    for (int64_t row = 0; row < rows; ++row) std::copy_n(sums + row * width, exists, y + row * columns_);
  }

  const KernelTable& kernels_;
  int num_threads_;
  int64_t rows_, depth_, columns_, matrices_ = 1;
  std::vector<BatchAxis> batch_;
  Split row_parts_{}, strips_{};
};

// Whether each batch axis of an operand is that of the result, or 1.
void check_batch(const TensorSpec& x, const TensorSpec& y) {
  for (size_t axis = 2; axis < x.shape.size() && axis < y.shape.size(); ++axis) {
    const int64_t extent = x.shape[x.shape.size() - 1 - axis], wanted = y.shape[y.shape.size() - 1 - axis];
    check(extent == wanted || extent == 1, "tensor '", x.name, "' of shape ", shape_text(x.shape),
          " cannot be a batch for ", shape_text(y.shape));
  }
}

}  // namespace

std::unique_ptr<Op> make_matmul(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 2, 1);
  for (size_t input : {0, 1}) check_batch(context.input(step, input), context.output(step, 0));
  return std::make_unique<MatMul>(step, context);
}

}  // namespace zeroskip
