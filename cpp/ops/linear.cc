#include "ops/linear.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "ops/ops.h"
#include "ops/shapes.h"

namespace zeroskip {
namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr int64_t kSparseStripBlocks = 128;  // 8 KB of y: L1 keeps it while eight weight rows stream by
constexpr int64_t kDenseStripBlocks = 16;    // with kDepth, 128 KB of packed weights: half of a small L2
constexpr int64_t kDepth = 128;
constexpr int64_t kDenseRows = 96;
// A weight row read for one input row by skipping costs as much as one read for all rows by the GEMM. Above
// this share of the dense reads skipping is not worth its less regular access.
constexpr double kMaxSparseReads = 0.75;

// From so many rows on their lists hold next to no zeros, and the GEMM need not copy the weights if they lie as it reads
// them. A second form for fewer rows of the same session is not worth more memory than this.
constexpr int64_t kMinPanelRows = 9;
constexpr int64_t kMaxPanelBytes = 64 << 20;
constexpr int64_t kPanelDepth = 256;  // 16 KB of a panel: half of a small first cache

constexpr int64_t kGroupBlocks =
    2;  // strips of 16-bit weights start at a whole group on every instruction set

Split split_outputs(int64_t blocks, int64_t unit, int64_t largest, int64_t tasks_wanted) {
  return {blocks, round_up(std::clamp<int64_t>(ceil_div(blocks, tasks_wanted), 1, largest), unit)};
}

AlignedFloats pack(const ConstantView& weight, int64_t in, int64_t out, int64_t stride) {
  AlignedFloats packed(static_cast<size_t>(in * stride));
  for (int64_t first = 0; first < in;
       first += kChannelBlock)  // in blocks, so that neither side misses the cache
    for (int64_t o = 0; o < out; ++o)
      for (int64_t i = first; i < std::min(first + kChannelBlock, in); ++i)
        packed.data()[i * stride + o] = weight.values[static_cast<size_t>(o * in + i)];
  return packed;
}

// [blocks][in][16]
AlignedFloats pack_panels(const ConstantView& weight, int64_t in, int64_t out, int64_t padded) {
  AlignedFloats packed(static_cast<size_t>(in * padded));
  for (int64_t o = 0; o < out; ++o) {
    float* panel = packed.data() + o / kChannelBlock * in * kChannelBlock + o % kChannelBlock;
    for (int64_t i = 0; i < in; ++i)
      panel[i * kChannelBlock] = weight.values[static_cast<size_t>(o * in + i)];
  }
  return packed;
}

}  // namespace

Linear::Linear(const StepSpec& step, const BuildContext& context) : kernels_(context.kernels) {
  const TensorSpec& x = context.input(step, 0);
  const TensorSpec& y = context.output(step, 0);
  require_layout(y, Layout::kRow);
  check(!x.shape.empty(), "x needs at least one axis");
  std::vector<int64_t> leading(x.shape.begin(), x.shape.end() - 1);
  in_ = x.shape.back(), x_stride_ = in_;
  if (x.layout == Layout::kNhwc) {
    check(x.h() == 1 && x.w() == 1, "an nhwc input needs H = W = 1, got ", shape_text(x.shape));
    leading = {x.n()};
    in_ = x.c(), x_stride_ = x.pixel_stride;
  }
  check(!y.shape.empty(), "y needs at least one axis");
  out_ = y.shape.back();
  leading.push_back(out_);
  require_shape(y, leading);
  check(in_ <= std::numeric_limits<int32_t>::max(), "more than 2^31 inputs");
  rows_ = y.elements() / out_;

  const ConstantView& weight = step.get_constant("weight", {out_, in_});
  storage_ = choose_weight_storage(step, weight.values);
  axpy_ = get_kernel<RowAxpyFn>(kernels_, {.kind = "row_axpy", .input = x.dtype, .weight = storage_});
  pack_rows_ = get_kernel<PackRowsFn>(kernels_, {.kind = "pack_rows", .weight = storage_}).function;
  const int64_t padded = padded_out();
  has_panels_ =
      storage_ == DataType::kFloat32 && rows_ >= kMinPanelRows && in_ * padded * kFloat <= kMaxPanelBytes;
  weights_ = shared_weights(
      context, weight.name + (has_panels_ ? "/linear/panels" : "/linear"), storage_,
      [&] { return has_panels_ ? pack_panels(weight, in_, out_, padded) : pack(weight, in_, out_, padded); });
  bias_ = step.find_constant("bias") ? pad_channels(step.get_constant("bias", {out_}))
                                     : AlignedFloats(static_cast<size_t>(padded));
  epilogue_ = parse_epilogue(step, out_);

  const int64_t blocks = padded / kChannelBlock;
  const int64_t unit = storage_ == DataType::kFloat32 ? 1 : kGroupBlocks;
  sparse_strips_ = split_outputs(blocks, unit, kSparseStripBlocks, context.num_threads);
  block_rows_ = std::min(rows_, kDenseRows);
  const int64_t row_blocks = ceil_div(rows_, block_rows_);
  dense_strips_ =
      split_outputs(blocks, unit, kDenseStripBlocks, ceil_div(2 * context.num_threads, row_blocks));
  num_threads_ = context.num_threads;
}

int64_t Linear::nonzero_bytes() const {
  return round_up((rows_ + 1) * static_cast<int64_t>(sizeof(int64_t)), 64) +
         2 * round_up(2 * in_ * kFloat, 64);
}

int64_t Linear::thread_bytes() const {
  const int64_t dense = block_rows_ * dense_strips_.size + kDepth * (dense_strips_.size + 1);
  return std::max(dense, sparse_strips_.size) * kChannelBlock * kFloat;
}

size_t Linear::scratch_bytes() const {
  return static_cast<size_t>(nonzero_bytes() + num_threads_ * thread_bytes());
}

std::string Linear::kernel_name() const { return std::string(axpy_.name) + "|f32_gemm"; }

int64_t Linear::padded_out() const {
  return round_up(out_, storage_ == DataType::kFloat32 ? kChannelBlock : kGroupBlocks * kChannelBlock);
}

Linear::Nonzeros Linear::nonzeros(const RunContext& context) const {
  std::byte* start = context.scratch.data();
  std::byte* indices = start + round_up((rows_ + 1) * static_cast<int64_t>(sizeof(int64_t)), 64);
  return {.first = reinterpret_cast<int64_t*>(start),
          .indices = reinterpret_cast<int32_t*>(indices),
          .values = reinterpret_cast<float*>(indices + round_up(2 * in_ * kFloat, 64))};
}

Linear::ThreadScratch Linear::thread_scratch(const RunContext& context, int thread) const {
  auto* start = reinterpret_cast<float*>(context.scratch.data() + nonzero_bytes() + thread * thread_bytes());
  return {.y = start, .b = start + block_rows_ * dense_strips_.size * kChannelBlock};
}

std::optional<double> Linear::input_density(const RunContext& context) const {
  const float* x = context.inputs[0].as<float>();
  int64_t nonzeros = 0;
  for (int64_t m = 0; m < rows_; ++m)
    nonzeros +=
        std::count_if(x + m * x_stride_, x + m * x_stride_ + in_, [](float value) { return value != 0; });
  return static_cast<double>(nonzeros) / static_cast<double>(rows_ * in_);
}

std::optional<double> Linear::steady_density() const {
  if (rows_ == 1) return std::nullopt;
  return kMaxSparseReads / static_cast<double>(rows_);
}

void Linear::run(const RunContext& context) const {
  const Nonzeros list = nonzeros(context);
  if (list_nonzeros(context, list))
    run_sparse(context, list);
  else
    run_dense(context);
}

bool Linear::list_nonzeros(const RunContext& context, const Nonzeros& list) const {
  // One row: skipping never reads more than the GEMM. The lists hold 2 * in_ entries: the limit and one row
  // more.
  const auto limit = rows_ == 1 ? in_ : static_cast<int64_t>(kMaxSparseReads * static_cast<double>(in_));
  const float* x = context.inputs[0].as<float>();
  list.first[0] = 0;
  for (int64_t m = 0; m < rows_; ++m) {
    const int64_t start = list.first[m];
    list.first[m + 1] =
        start + kernels_.f32_nonzero_list(x + m * x_stride_, in_, list.indices + start, list.values + start);
    if (list.first[m + 1] > limit) return false;
  }
  return true;
}

void Linear::run_sparse(const RunContext& context, const Nonzeros& list) const {
  const Split& strips = sparse_strips_;
  parallel_for(context.num_threads, rows_ * strips.tasks(), [&](int64_t task, int thread) {
    const int64_t m = task / strips.tasks(), strip = task % strips.tasks();
    const int64_t first = strips.begin(strip) * kChannelBlock;
    const ThreadScratch scratch = thread_scratch(context, thread);
    const int64_t width = strips.count(strip) * kChannelBlock;
    std::copy_n(bias_.data() + first, width, scratch.y);
    const int64_t blocks = has_panels_ ? 1 : strips.count(strip);
    for (int64_t block = 0; block < strips.count(strip); block += blocks)
      axpy_.function({.count = list.first[m + 1] - list.first[m],
                      .indices = list.indices + list.first[m],
                      .values = list.values + list.first[m],
                      .weights = weights_->at((first + block * kChannelBlock) * (has_panels_ ? in_ : 1)),
                      .weight_stride = has_panels_ ? kChannelBlock : padded_out(),
                      .blocks = blocks,
                      .y = scratch.y + block * kChannelBlock});
    store_outputs(scratch.y, first, width, context.outputs[0].as<float>() + m * out_);
  });
}

void Linear::run_dense(const RunContext& context) const {
  const Split& strips = dense_strips_;
  const Split blocks{rows_, block_rows_};
  parallel_for(context.num_threads, blocks.tasks() * strips.tasks(), [&](int64_t task, int thread) {
    const int64_t block = task / strips.tasks(), strip = task % strips.tasks();
    const ThreadScratch scratch = thread_scratch(context, thread);
    multiply_strip(context.inputs[0].as<float>() + blocks.begin(block) * x_stride_, blocks.count(block),
                   strip, scratch);
    const int64_t width = strips.count(strip) * kChannelBlock;
    for (int64_t m = 0; m < blocks.count(block); ++m)
      store_outputs(scratch.y + m * width, strips.begin(strip) * kChannelBlock, width,
                    context.outputs[0].as<float>() + (blocks.begin(block) + m) * out_);
  });
}

// scratch.y[m][:] = bias + x[m] * weights for one strip of outputs. Weights are packed tight, a depth of
// kDepth at a time, because rows a whole matrix apart would miss the TLB at every step of the microkernel.
void Linear::multiply_strip(const float* x, int64_t rows, int64_t strip, const ThreadScratch& scratch) const {
  const int64_t first = dense_strips_.begin(strip) * kChannelBlock, blocks = dense_strips_.count(strip);
  const int64_t width = blocks * kChannelBlock, stride = padded_out();
  const int64_t apart = width + kChannelBlock;  // no power of two: rows would share a few sets of the cache
  for (int64_t m = 0; m < rows; ++m) std::copy_n(bias_.data() + first, width, scratch.y + m * width);
  if (has_panels_) {
    multiply_panels(x, rows, strip, scratch.y);
    return;
  }
  for (int64_t k = 0; k < in_; k += kDepth) {
    const int64_t depth = std::min(kDepth, in_ - k);
    pack_rows_({.rows = depth,
                .blocks = blocks,
                .from = weights_->at(k * stride + first),
                .from_stride = stride,
                .to = scratch.b,
                .to_stride = apart});
    kernels_.f32_gemm({.rows = rows,
                       .depth = depth,
                       .blocks = blocks,
                       .a = x + k,
                       .a_stride = x_stride_,
                       .b = scratch.b,
                       .b_stride = apart,
                       .c = scratch.y,
                       .c_stride = width});
  }
}

// The same with weights that lie panel by panel of 16 outputs.
void Linear::multiply_panels(const float* x, int64_t rows, int64_t strip, float* y) const {
  const int64_t first = dense_strips_.begin(strip), blocks = dense_strips_.count(strip);
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t k = 0; k < in_; k += kPanelDepth)
      kernels_.f32_gemm({.rows = rows,
                         .depth = std::min(kPanelDepth, in_ - k),
                         .blocks = 1,
                         .a = x + k,
                         .a_stride = x_stride_,
                         .b = weights_->floats(((first + block) * in_ + k) * kChannelBlock),
                         .b_stride = kChannelBlock,
                         .c = y + block * kChannelBlock,
                         .c_stride = blocks * kChannelBlock});
}

// Applies the activation to one strip of sums, in place, and stores the outputs that exist.
void Linear::store_outputs(float* sums, int64_t first, int64_t width, float* y) const {
  if (const float* thresholds = epilogue_.thresholds_or_null()) {
    EltwiseArgs args;
    args.pixels = 1;
    args.channels = width;
    args.x = sums;
    args.y = sums;
    args.thresholds = thresholds + first;
    args.max_value = epilogue_.max_value;
    kernels_.f32_fatrelu(args);
  }
  std::copy_n(sums, std::min(width, out_ - first), y + first);
}

std::unique_ptr<Op> make_linear(const StepSpec& step, const BuildContext& context) {
  require_counts(step, 1, 1);
  return std::make_unique<Linear>(step, context);
}

}  // namespace zeroskip
